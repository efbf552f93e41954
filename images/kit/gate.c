#include "gate.h"

#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char PATH[] = "etc/ssh/ssh_host_ed25519_key";
enum { KEY_BYTES_MAX = 4096 };  // PIPE_BUF: written at once or not at all
static int gate = -1;

bool make_gate(void) {
  if (unlinkat(root_folder(), PATH, 0) != 0 && errno != ENOENT) return false;
  return mkfifoat(root_folder(), PATH, 0600) == 0;
}

void reach_gate(void) {
  struct stat found;
  if (gate >= 0) close(gate);
  gate = openat(root_folder(), PATH, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  if (gate < 0 || (fstat(gate, &found) == 0 && S_ISFIFO(found.st_mode))) return;
  close(gate);
  gate = -1;
}

bool open_gate(void) {
  char key[KEY_BYTES_MAX];
  if (gate < 0) return errno = ENOENT, false;
  ssize_t length = read_text(PATH, key, sizeof key);
  bool handed = length > 0 && write(gate, key, (size_t)length) == length;
  int cause = errno;
  explicit_bzero(key, sizeof key);
  close(gate);
  gate = -1;
  errno = cause;
  return handed;
}

void remove_gate(void) {
  struct stat found;
  if (fstatat(root_folder(), PATH, &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISFIFO(found.st_mode))
    unlinkat(root_folder(), PATH, 0);
}
