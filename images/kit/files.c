#include "files.h"

#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct owner ROOT_OWNER = {0, 0};

enum { FOLDER_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

int root_folder(void) {
  static int folder = -1;
  if (folder < 0) folder = open(system_root(), FOLDER_FLAGS);
  return folder;
}

int open_folder(const char *path) {
  char rest[PATH_MAX];
  if (strlen(path) >= sizeof rest) return errno = ENAMETOOLONG, -1;
  strcpy(rest, path);
  int folder = dup(root_folder());
  char *place = NULL;
  for (char *name = strtok_r(rest, "/", &place); name != NULL && folder >= 0; name = strtok_r(NULL, "/", &place)) {
    int next = openat(folder, name, FOLDER_FLAGS);
    close(folder);
    folder = next;
  }
  return folder;
}

int make_folder(int parent, const char *name, mode_t mode, struct owner owner) {
  if (mkdirat(parent, name, mode) != 0 && errno != EEXIST) return -1;
  int folder = openat(parent, name, FOLDER_FLAGS);
  if (folder < 0) return -1;
  if (fchmod(folder, mode) == 0 && system_chown(folder, owner) == 0) return folder;
  close(folder);
  return -1;
}

static bool write_all(int file, const char *content, size_t bytes) {
  while (bytes > 0) {
    ssize_t written = write(file, content, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    content += written;
    bytes -= (size_t)written;
  }
  return true;
}

bool replace_file(int folder, const char *name, const void *content, size_t bytes, mode_t mode, struct owner owner) {
  char draft[NAME_MAX];
  if (snprintf(draft, sizeof draft, ".%s.slipway", name) >= (int)sizeof draft) return errno = ENAMETOOLONG, false;
  if (unlinkat(folder, draft, 0) != 0 && errno != ENOENT) return false;
  int file = openat(folder, draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return false;
  bool written = write_all(file, content, bytes) && fchmod(file, mode) == 0 && system_chown(file, owner) == 0;
  written = close(file) == 0 && written;
  return written && renameat(folder, draft, folder, name) == 0;
}

ssize_t read_text(const char *path, char *text, size_t size) {
  int file = openat(root_folder(), path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  size_t length = 0;
  ssize_t got = 0;
  while (length < size && (got = read(file, text + length, size - length)) > 0) length += (size_t)got;
  close(file);
  if (got < 0) return -1;
  if (length == size) return errno = EFBIG, -1;
  text[length] = '\0';
  return (ssize_t)length;
}

bool read_line(const char *path, char *line, size_t size) {
  if (read_text(path, line, size) < 0) return false;
  line[strcspn(line, "\n")] = '\0';
  return true;
}

static bool zero_file(int file) {
  static const char zeros[4096];
  struct stat found;
  if (fstat(file, &found) != 0) return false;
  for (off_t left = found.st_size; left > 0; left -= (off_t)sizeof zeros) {
    size_t bytes = left < (off_t)sizeof zeros ? (size_t)left : sizeof zeros;
    if (!write_all(file, zeros, bytes)) return false;
  }
  return fsync(file) == 0;
}

bool wipe_file(const char *path, const char *name) {
  int folder = open_folder(path);
  if (folder < 0) return errno == ENOENT;
  int file = openat(folder, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
  bool wiped = file >= 0        ? zero_file(file) && unlinkat(folder, name, 0) == 0
               : errno == ELOOP ? unlinkat(folder, name, 0) == 0  // a link, as D-Bus makes one to the machine id
                                : errno == ENOENT;
  int cause = errno;
  if (file >= 0) close(file);
  close(folder);
  errno = cause;
  return wiped;
}
