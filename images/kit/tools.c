#include "tools.h"

#include "files.h"
#include "request.h"
#include "system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DISK_NAME_CHARS_MAX = 15 };

static bool has_serial(const char *disk, const char *serial) {
  char path[64], found[DISK_SERIAL_CHARS_MAX + 2];
  snprintf(path, sizeof path, "sys/block/%s/serial", disk);
  return read_line(path, found, sizeof found) && strcmp(found, serial) == 0;
}

static bool find_disk(const char *serial, char disk[DISK_NAME_CHARS_MAX + 1]) {
  int folder = open_folder("sys/block");
  DIR *disks = folder < 0 ? NULL : fdopendir(folder);
  if (disks == NULL) return false;
  bool found = false;
  for (struct dirent *entry; !found && (entry = readdir(disks)) != NULL;) {
    if (strncmp(entry->d_name, "vd", 2) != 0 || strlen(entry->d_name) > DISK_NAME_CHARS_MAX) continue;
    strcpy(disk, entry->d_name);
    found = has_serial(disk, serial);
  }
  closedir(disks);
  if (!found) errno = ENODEV;
  return found;
}

static bool make_mount_point(void) {
  static const char *const NAMES[] = {"opt", "slipway", "tools"};
  int folder = dup(root_folder());
  for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0] && folder >= 0; i++) {
    int next = make_folder(folder, NAMES[i], 0755, ROOT_OWNER);
    close(folder);
    folder = next;
  }
  return folder >= 0 && close(folder) == 0;
}

// A machine that was frozen with its tools mounted wakes up with them.
static bool is_mounted(void) {
  struct stat parent, tools;
  return fstatat(root_folder(), "opt/slipway", &parent, 0) == 0 &&
         fstatat(root_folder(), "opt/slipway/tools", &tools, 0) == 0 && parent.st_dev != tools.st_dev;
}

bool mount_tools(const char *serial) {
  char disk[DISK_NAME_CHARS_MAX + 1], device[sizeof "/dev/" + DISK_NAME_CHARS_MAX];
  if (is_mounted()) return true;
  if (!find_disk(serial, disk) || !make_mount_point()) return false;
  snprintf(device, sizeof device, "/dev/%s", disk);
  return system_mount_tools(device, "/opt/slipway/tools") == 0;
}
