#include "door.h"

#include "files.h"
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
  SSH_PORT = 22,
  TCP_TABLE_BYTES_MAX = 64 * 1024,
  LISTEN_DEADLINE_MS = 20 * 1000,
  LISTEN_POLL_MS = 4,
};

// Not through systemd: a `systemctl start` that waits costs a second under emulation. `-r` saves sshd one exec a login.
static char *const SERVERS[][6] = {
    {"/usr/sbin/sshd", "-D", "-r", NULL},
    {"/usr/sbin/dropbear", "-F", "-s", "-r", "/etc/dropbear/dropbear_ed25519_host_key", NULL},
};

static char *const ENVIRONMENT[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};

static char *const *find_server(void) {
  for (size_t i = 0; i < sizeof SERVERS / sizeof SERVERS[0]; i++) {
    if (faccessat(root_folder(), SERVERS[i][0] + 1, X_OK, 0) == 0) return SERVERS[i];
  }
  return NULL;
}

// Read from the kernel's table: a connection to try the port would cost the server a process.
static bool is_listening_in(const char *table_path) {
  static char table[TCP_TABLE_BYTES_MAX];
  enum { STATE_LISTEN = 0x0A };
  if (read_text(table_path, table, sizeof table) < 0) return false;
  for (char *rest = table, *line; (line = strsep(&rest, "\n")) != NULL;) {
    unsigned port = 0, state = 0;
    if (sscanf(line, " %*u: %*[0-9A-F]:%4x %*[0-9A-F]:%*4x %2x", &port, &state) != 2) continue;
    if (port == SSH_PORT && state == STATE_LISTEN) return true;
  }
  return false;
}

static bool is_listening(void) { return is_listening_in("proc/net/tcp") || is_listening_in("proc/net/tcp6"); }

// Runs in the child: nothing of the guest agent's descriptors, signals or environment goes along.
static void become_server(char *const *arguments) {
  int null = open("/dev/null", O_RDWR);
  for (int stream = 0; stream <= 2; stream++) dup2(null, stream);
  close_range(3, ~0U, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  setsid();
  if (chdir("/") == 0) execve(arguments[0], arguments, ENVIRONMENT);
  _exit(127);
}

static bool wait_until_listening(pid_t server) {
  const struct timespec pause = {.tv_nsec = LISTEN_POLL_MS * 1000000L};
  for (int waited_ms = 0; waited_ms < LISTEN_DEADLINE_MS; waited_ms += LISTEN_POLL_MS) {
    if (is_listening()) return true;
    if (waitpid(server, NULL, WNOHANG) == server) return errno = ECHILD, false;
    nanosleep(&pause, NULL);
  }
  kill(server, SIGKILL);
  return errno = ETIMEDOUT, false;
}

bool open_door(void) {
  char *const *server = find_server();
  if (server == NULL) return errno = ENOENT, false;
  if (is_listening()) return errno = EADDRINUSE, false;
  int run = open_folder("run");
  int folder = run < 0 ? -1 : make_folder(run, "sshd", 0755, ROOT_OWNER);  // sshd's privilege separation wants it
  if (run >= 0) close(run);
  if (folder < 0) return false;
  close(folder);
  pid_t child = system_fork();
  if (child == 0) become_server(server);
  return child > 0 && wait_until_listening(child);
}
