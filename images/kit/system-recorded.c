// For tests: $KIT_ROOT stands for the machine, and what would need its root is written to $KIT_ROOT/calls, one a line.
// $KIT_FAIL names a call that fails.
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *system_root(void) { return getenv("KIT_ROOT"); }

static int record(const char *call, const char *detail) {
  const char *fails = getenv("KIT_FAIL");
  if (fails != NULL && strcmp(fails, call) == 0) return errno = EPERM, -1;
  int file = openat(root_folder(), "calls", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return -1;
  int written = dprintf(file, "%s %s\n", call, detail);
  return close(file) == 0 && written > 0 ? 0 : -1;
}

int system_chown(int file, struct owner owner) {
  char detail[40];
  (void)file;
  snprintf(detail, sizeof detail, "%u:%u", owner.uid, owner.gid);
  return record("chown", detail);
}

int system_reseed(const uint8_t *entropy, size_t bytes) {
  char detail[40];
  snprintf(detail, sizeof detail, "%zu bytes from %02x", bytes, entropy[0]);
  return record("reseed", detail);
}

int system_set_clock(struct timespec now) {
  char detail[40];
  snprintf(detail, sizeof detail, "%lld.%09ld", (long long)now.tv_sec, now.tv_nsec);
  return record("clock", detail);
}

int system_set_hostname(const char *name) { return record("hostname", name); }

int system_mount_tools(const char *device, const char *place) {
  char detail[80];
  snprintf(detail, sizeof detail, "%s on %s", device, place);
  return record("mount", detail);
}

int system_resize_partition(int disk, unsigned number, uint64_t start_bytes, uint64_t bytes) {
  char detail[80];
  (void)disk;
  snprintf(detail, sizeof detail, "%u at %llu to %llu", number, (unsigned long long)start_bytes,
           (unsigned long long)bytes);
  return record("partition", detail);
}

int system_resize_file_system(int folder, uint64_t blocks) {
  char detail[40];
  (void)folder;
  snprintf(detail, sizeof detail, "%llu blocks", (unsigned long long)blocks);
  return record("file-system", detail);
}

pid_t system_fork(void) { return record("fork", "") == 0 ? fork() : -1; }

int system_kill(pid_t process) {
  char detail[40];
  snprintf(detail, sizeof detail, "%d", (int)process);
  if (record("kill", detail) != 0) return -1;
  return errno = ESRCH, -1;
}

void system_sync(void) { record("sync", ""); }
