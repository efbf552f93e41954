#include "request.h"
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/random.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

const char *system_root(void) { return "/"; }

int system_chown(int file, struct owner owner) { return fchown(file, owner.uid, owner.gid); }

int system_reseed(const uint8_t *entropy, size_t bytes) {
  struct {
    int bit_count;
    int byte_count;
    uint8_t pool[ENTROPY_BYTES_MAX];
  } credit = {.bit_count = (int)bytes * 8, .byte_count = (int)bytes};
  memcpy(credit.pool, entropy, bytes);
  int device = open("/dev/random", O_RDWR | O_CLOEXEC);
  if (device < 0) return -1;
  int result = ioctl(device, RNDADDENTROPY, &credit) == 0 ? ioctl(device, RNDRESEEDCRNG) : -1;
  int cause = errno;
  explicit_bzero(&credit, sizeof credit);
  close(device);
  errno = cause;
  return result;
}

int system_set_clock(struct timespec now) { return clock_settime(CLOCK_REALTIME, &now); }

int system_set_hostname(const char *name) { return sethostname(name, strlen(name)); }

int system_mount_tools(const char *device, const char *place) {
  return mount(device, place, "ext4", MS_RDONLY | MS_NOSUID | MS_NODEV, NULL);
}

int system_resize_partition(int disk, unsigned number, uint64_t start_bytes, uint64_t bytes) {
  struct blkpg_partition partition = {.pno = (int)number, .start = (int64_t)start_bytes, .length = (int64_t)bytes};
  struct blkpg_ioctl_arg argument = {.op = BLKPG_RESIZE_PARTITION, .datalen = sizeof partition, .data = &partition};
  return ioctl(disk, BLKPG, &argument);
}

// The kernel's fs/ext4 has it, its exported headers have not.
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)

int system_resize_file_system(int folder, uint64_t blocks) { return ioctl(folder, EXT4_IOC_RESIZE_FS, &blocks); }

pid_t system_fork(void) { return fork(); }

int system_kill(pid_t process) { return kill(process, SIGKILL); }

void system_sync(void) { sync(); }
