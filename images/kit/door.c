#include "door.h"

#include "files.h"
#include "gate.h"
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
  SSH_PORT = 22,
  TCP_TABLE_BYTES_MAX = 64 * 1024,
  LISTEN_DEADLINE_MS = 20 * 1000,
  LISTEN_POLL_MS = 5,
  CLOSE_DEADLINE_MS = 5 * 1000,
};

struct server {
  const char *program;
  char *const arguments[9];
  bool waits_for_key;  // before it listens; one that does not reads its key at each login
};

// Not through systemd: a `systemctl start` that waits costs a second under emulation. Neither may write to the journal,
// whose daemon would wake up for each of its words, nor start itself again for each login: sshd by `-r`, dropbear for not
// finding itself by its name in `/`.
// dropbear's `-R` lets it start without a key. It would also make one of another kind for a client that likes it better, as
// those written in Go do; `ed25519-only` keeps it from that where an image is built.
static const struct server SERVERS[] = {
    {"/usr/sbin/dropbear", {"dropbear", "-F", "-E", "-s", "-R", "-r", "/etc/dropbear/dropbear_ed25519_host_key", NULL}, false},
    {"/usr/sbin/sshd", {"/usr/sbin/sshd", "-D", "-r", "-E", "/var/log/sshd.log", NULL}, true},
};

static char *const ENVIRONMENT[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};

static const struct server *find_server(void) {
  for (size_t i = 0; i < sizeof SERVERS / sizeof SERVERS[0]; i++) {
    if (faccessat(root_folder(), SERVERS[i].program + 1, X_OK, 0) == 0) return &SERVERS[i];
  }
  return NULL;
}

struct tcp_socket {
  unsigned port;
  unsigned state;
};
// include/net/tcp_states.h
enum { STATE_TIME_WAIT = 0x06, STATE_LISTEN = 0x0A };

static bool is_door(struct tcp_socket socket) { return socket.port == SSH_PORT && socket.state == STATE_LISTEN; }
static bool is_connection(struct tcp_socket socket) {
  return socket.state != STATE_LISTEN && socket.state != STATE_TIME_WAIT;
}

// Read from the kernel's table: a connection to try the port would cost the server a process.
static bool has_socket_in(const char *table_path, bool (*matches)(struct tcp_socket)) {
  static char table[TCP_TABLE_BYTES_MAX];
  if (read_text(table_path, table, sizeof table) < 0) return false;
  for (char *rest = table, *line; (line = strsep(&rest, "\n")) != NULL;) {
    struct tcp_socket socket;
    if (sscanf(line, " %*u: %*[0-9A-F]:%4x %*[0-9A-F]:%*4x %2x", &socket.port, &socket.state) != 2) continue;
    if (matches(socket)) return true;
  }
  return false;
}

static bool has_socket(bool (*matches)(struct tcp_socket)) {
  return has_socket_in("proc/net/tcp", matches) || has_socket_in("proc/net/tcp6", matches);
}

static bool is_listening(void) { return has_socket(is_door); }

// Runs in the child: nothing of the guest agent's descriptors, signals or environment goes along.
static void become_server(const struct server *server) {
  int null = open("/dev/null", O_RDWR);
  for (int stream = 0; stream <= 2; stream++) dup2(null, stream);
  close_range(3, ~0U, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGCHLD, SIG_DFL);
  signal(SIGPIPE, SIG_DFL);
  setsid();
  if (chdir("/") == 0) execve(server->program, server->arguments, ENVIRONMENT);
  _exit(127);
}

static const char SERVER_FILE[] = "run/slipway-door";

static bool remember(pid_t server) {
  char line[16];
  int length = snprintf(line, sizeof line, "%d\n", (int)server);
  int run = open_folder("run");
  if (run < 0) return false;
  bool done = replace_file(run, "slipway-door", line, (size_t)length, 0600, ROOT_OWNER);
  int cause = errno;
  close(run);
  errno = cause;
  return done;
}

// 0 if there is none, or what is there is no process id.
static pid_t remembered(void) {
  char line[16];
  if (!read_line(SERVER_FILE, line, sizeof line)) return 0;
  return (pid_t)strtol(line, NULL, 10);
}

static bool has_ended(pid_t server) {
  return waitpid(server, NULL, WNOHANG) == server || (kill(server, 0) != 0 && errno == ESRCH);
}

static bool wait_until_listening(pid_t server) {
  const struct timespec pause = {.tv_nsec = LISTEN_POLL_MS * 1000000L};
  for (int waited_ms = 0; waited_ms < LISTEN_DEADLINE_MS; waited_ms += LISTEN_POLL_MS) {
    if (is_listening()) return true;
    if (has_ended(server)) return errno = ECHILD, false;
    nanosleep(&pause, NULL);
  }
  kill(server, SIGKILL);
  return errno = ETIMEDOUT, false;
}

static pid_t start(const struct server *server) {
  int run = open_folder("run");
  int folder = run < 0 ? -1 : make_folder(run, "sshd", 0755, ROOT_OWNER);  // sshd's privilege separation wants it
  if (run >= 0) close(run);
  if (folder < 0) return -1;
  close(folder);
  pid_t child = system_fork();
  if (child == 0) become_server(server);
  return child > 0 && remember(child) ? child : -1;
}

// Ours listens, and will read the key that was just made.
static bool is_held(const struct server *server) {
  pid_t held = remembered();
  return !server->waits_for_key && held > 1 && !has_ended(held);
}

bool open_door(void) {
  const struct server *server = find_server();
  if (server == NULL) return errno = ENOENT, false;
  if (open_gate() || is_held(server)) return true;
  if (is_listening()) return errno = EADDRINUSE, false;
  pid_t started = start(server);
  return started > 0 && wait_until_listening(started);
}

bool hold_door(void) {
  const struct server *server = find_server();
  if (server == NULL) return true;
  if (server->waits_for_key && !make_gate()) return false;
  pid_t started = start(server);
  return started > 0 && (server->waits_for_key || wait_until_listening(started));
}

static bool poll_until(bool (*holds)(void)) {
  const struct timespec pause = {.tv_nsec = LISTEN_POLL_MS * 1000000L};
  for (int waited_ms = 0; waited_ms < CLOSE_DEADLINE_MS; waited_ms += LISTEN_POLL_MS) {
    if (holds()) return true;
    nanosleep(&pause, NULL);
  }
  return false;
}

static bool is_shut(void) { return !is_listening(); }
static bool is_quiet(void) { return !has_socket(is_connection); }

bool close_door(void) {
  remove_gate();
  pid_t server = remembered();
  if (server <= 1) return true;
  if (system_kill(server) != 0 && errno != ESRCH) return false;
  if (!poll_until(is_shut)) return errno = ETIMEDOUT, false;
  if (!poll_until(is_quiet)) return errno = EISCONN, false;
  return unlinkat(root_folder(), SERVER_FILE, 0) == 0;
}
