// All that needs the rights of a machine's root: one file does it (system.c), another writes it down for the tests
// (system-recorded.c). Each answers 0, or -1 with errno, as the calls they stand for.
#pragma once
#include "files.h"

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

const char *system_root(void);
int system_chown(int file, struct owner owner);
// Credits the bytes to the kernel's pool and renews the generator's key at once; a write to /dev/urandom does neither.
int system_reseed(const uint8_t *entropy, size_t bytes);
int system_set_clock(struct timespec now);
int system_set_hostname(const char *name);
int system_mount_tools(const char *device, const char *place);
int system_resize_partition(int disk, unsigned number, uint64_t start_bytes, uint64_t bytes);
int system_resize_file_system(int folder, uint64_t blocks);
pid_t system_fork(void);
int system_kill(pid_t process);
void system_sync(void);
