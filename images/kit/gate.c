#include "gate.h"

#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char PATH[] = "run/slipway-gate";

bool make_gate(void) {
  if (unlinkat(root_folder(), PATH, 0) != 0 && errno != ENOENT) return false;
  return mkfifoat(root_folder(), PATH, 0600) == 0;
}

bool open_gate(void) {
  int gate = openat(root_folder(), PATH, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  int cause = errno;
  if (gate < 0 && cause != ENXIO) return false;
  // Gone before it is open: the server looks for a public half under the same name next, and must not wait again.
  bool gone = unlinkat(root_folder(), PATH, 0) == 0;
  if (gate < 0) return errno = cause, false;
  return close(gate) == 0 && gone;
}
