#include "forget.h"

#include "access.h"
#include "files.h"
#include "system.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

// Overwritten before they go: what a file held would else stay in free memory and on free blocks.
static const struct {
  const char *folder;
  const char *name;
} SECRETS[] = {
    {"etc/ssh", "ssh_host_ed25519_key"},
    {"etc/ssh", "ssh_host_ed25519_key.pub"},
    {"etc/dropbear", "dropbear_ed25519_host_key"},
    {"etc/dropbear", "dropbear_ed25519_host_key.pub"},
    {"var/lib/systemd", "random-seed"},
    {"var/lib/dbus", "machine-id"},
};

static bool empty_machine_id(void) {
  int folder = open_folder("etc");
  if (folder < 0) return false;
  bool done = replace_file(folder, "machine-id", "", 0, 0444, ROOT_OWNER);
  int cause = errno;
  close(folder);
  errno = cause;
  return done;
}

bool forget_identity(const char *user) {
  for (size_t i = 0; i < sizeof SECRETS / sizeof SECRETS[0]; i++) {
    if (!wipe_file(SECRETS[i].folder, SECRETS[i].name)) return false;
  }
  if (!withdraw_keys(user) || !empty_machine_id()) return false;
  system_sync();
  return true;
}
