#include "grow.h"

#include "files.h"
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
  SECTOR_BYTES = 512,
  // Partitions end at whole MiB, as they begin; less than that is not worth a change.
  ALIGN_SECTORS = 2048,
  MBR_ENTRIES = 4,
  MBR_ENTRIES_OFFSET = 446,
};

// One of the four entries of an MBR; numbers are little-endian.
struct mbr_entry {
  uint8_t status, first_chs[3], type, last_chs[3];
  uint8_t start[4], sectors[4];
};

struct root_partition {
  char disk[32];
  unsigned number;
  uint64_t start, sectors, disk_sectors;
};

static uint32_t from_le(const uint8_t bytes[4]) {
  return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void to_le(uint32_t value, uint8_t bytes[4]) {
  for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(value >> 8 * i);
}

static bool read_number(dev_t device, const char *name, uint64_t *number) {
  char path[96], line[32];
  snprintf(path, sizeof path, "sys/dev/block/%u:%u/%s", major(device), minor(device), name);
  if (!read_line(path, line, sizeof line)) return false;
  *number = strtoull(line, NULL, 10);
  return true;
}

static bool read_disk_name(dev_t device, char *name, size_t size) {
  char path[96], text[512];
  snprintf(path, sizeof path, "sys/dev/block/%u:%u/../uevent", major(device), minor(device));
  if (read_text(path, text, sizeof text) < 0) return false;
  const char *found = strstr(text, "DEVNAME=");
  if (found == NULL) return errno = ENODEV, false;
  snprintf(name, size, "dev/%.*s", (int)strcspn(found + 8, "\n"), found + 8);
  return true;
}

// False with errno 0 if the root file system is on no partition.
static bool find_root(struct root_partition *root) {
  struct stat status;
  uint64_t number = 0;
  if (fstat(root_folder(), &status) != 0) return false;
  if (!read_number(status.st_dev, "partition", &number)) return errno = 0, false;
  root->number = (unsigned)number;
  return read_number(status.st_dev, "start", &root->start) && read_number(status.st_dev, "size", &root->sectors) &&
         read_number(status.st_dev, "../size", &root->disk_sectors) &&
         read_disk_name(status.st_dev, root->disk, sizeof root->disk);
}

// Changes the one number in the partition table, so that a reboot finds what the kernel is told below.
static bool change_table(int disk, const struct root_partition *root, uint64_t sectors) {
  uint8_t sector[SECTOR_BYTES];
  struct mbr_entry entries[MBR_ENTRIES];
  if (pread(disk, sector, sizeof sector, 0) != (ssize_t)sizeof sector) return false;
  if (sector[510] != 0x55 || sector[511] != 0xAA || root->number < 1 || root->number > MBR_ENTRIES)
    return errno = EINVAL, false;
  memcpy(entries, sector + MBR_ENTRIES_OFFSET, sizeof entries);
  struct mbr_entry *own = &entries[root->number - 1];
  if (from_le(own->start) != root->start || from_le(own->sectors) != root->sectors) return errno = EINVAL, false;
  for (int i = 0; i < MBR_ENTRIES; i++) {
    if (entries[i].type != 0 && from_le(entries[i].start) > root->start) return errno = EBUSY, false;
  }
  to_le((uint32_t)sectors, own->sectors);
  memcpy(sector + MBR_ENTRIES_OFFSET, entries, sizeof entries);
  return pwrite(disk, sector, sizeof sector, 0) == (ssize_t)sizeof sector && fsync(disk) == 0;
}

static bool grow(const struct root_partition *root, uint64_t sectors) {
  struct statfs file_system;
  if (fstatfs(root_folder(), &file_system) != 0) return false;
  int disk = openat(root_folder(), root->disk, O_RDWR | O_CLOEXEC);
  if (disk < 0) return false;
  uint64_t bytes = sectors * SECTOR_BYTES;
  bool done = change_table(disk, root, sectors) &&
              system_resize_partition(disk, root->number, root->start * SECTOR_BYTES, bytes) == 0 &&
              system_resize_file_system(root_folder(), bytes / (uint64_t)file_system.f_bsize) == 0;
  int cause = errno;
  close(disk);
  errno = cause;
  return done;
}

bool grow_root(void) {
  struct root_partition root = {0};
  if (!find_root(&root)) return errno == 0;
  uint64_t end = root.disk_sectors < UINT32_MAX ? root.disk_sectors : UINT32_MAX;
  end -= end % ALIGN_SECTORS;
  if (end < root.start + root.sectors + ALIGN_SECTORS) return true;
  return grow(&root, end - root.start);
}
