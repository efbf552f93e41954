#include "access.h"

#include "files.h"
#include "request.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PASSWD_BYTES_MAX = 64 * 1024, PASSWD_FIELDS = 7 };

struct account {
  struct owner owner;
  char *home;
};

// Reads /etc/passwd itself: a static program cannot load glibc's name services.
static bool find_account(char *passwd, const char *user, struct account *account) {
  char *rest = passwd;
  for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
    char *fields[PASSWD_FIELDS] = {0};
    size_t count = 0;
    while (count < PASSWD_FIELDS && (fields[count] = strsep(&line, ":")) != NULL) count++;
    if (count < PASSWD_FIELDS || strcmp(fields[0], user) != 0 || fields[5][0] != '/') continue;
    account->owner = (struct owner){(uid_t)strtoul(fields[2], NULL, 10), (gid_t)strtoul(fields[3], NULL, 10)};
    account->home = fields[5];
    return true;
  }
  return errno = ENOENT, false;
}

static bool look_up(const char *user, struct account *account) {
  static char passwd[PASSWD_BYTES_MAX];
  return read_text("etc/passwd", passwd, sizeof passwd) >= 0 && find_account(passwd, user, account);
}

bool authorize_key(const char *user, const char *key) {
  struct account account;
  if (!look_up(user, &account)) return false;
  char line[AUTHORIZED_KEY_CHARS_MAX + 2];
  int length = snprintf(line, sizeof line, "%s\n", key);
  int home = open_folder(account.home);
  int folder = home < 0 ? -1 : make_folder(home, ".ssh", 0700, account.owner);
  bool done = folder >= 0 && replace_file(folder, "authorized_keys", line, (size_t)length, 0600, account.owner);
  int cause = errno;
  if (folder >= 0) close(folder);
  if (home >= 0) close(home);
  errno = cause;
  return done;
}

bool withdraw_keys(const char *user) {
  struct account account;
  char folder[PATH_MAX];
  if (!look_up(user, &account)) return false;
  if (snprintf(folder, sizeof folder, "%s/.ssh", account.home) >= (int)sizeof folder) return errno = ENAMETOOLONG, false;
  return wipe_file(folder, "authorized_keys");
}
