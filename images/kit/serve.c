#include "serve.h"

#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char PORT_NAME[] = "slipway.kit.0";
enum { DEVICE_CHARS_MAX = 40, NAME_CHARS_MAX = 64, ABSENT_MS = 200 };

// By its name in sysfs: udev, which would make a link of that name, comes a second after the kernel.
static bool find_port(char device[DEVICE_CHARS_MAX]) {
  int folder = open_folder("sys/class/virtio-ports");
  DIR *ports = folder < 0 ? NULL : fdopendir(folder);
  if (ports == NULL) return false;
  bool found = false;
  for (struct dirent *entry; !found && (entry = readdir(ports)) != NULL;) {
    char path[NAME_CHARS_MAX + 32], name[sizeof PORT_NAME + 1];
    if (strlen(entry->d_name) > DEVICE_CHARS_MAX - sizeof "dev/") continue;
    snprintf(path, sizeof path, "sys/class/virtio-ports/%s/name", entry->d_name);
    found = read_line(path, name, sizeof name) && strcmp(name, PORT_NAME) == 0;
    if (found) snprintf(device, DEVICE_CHARS_MAX, "dev/%s", entry->d_name);
  }
  closedir(ports);
  if (!found) errno = ENODEV;
  return found;
}

// Reads until there is an empty line; what follows it is dropped: the host waits for an answer before it asks again.
static size_t read_request(int port, char *text, size_t size) {
  const struct timespec absent = {.tv_nsec = ABSENT_MS * 1000000L};
  size_t length = 0;
  while (length < size) {
    ssize_t got = read(port, text + length, size - length);
    if (got > 0) length += (size_t)got;
    if (length == 1 && text[0] == '\n') return 0;
    char *end = memmem(text, length, "\n\n", 2);
    if (end != NULL) return (size_t)(end - text) + 1;
    // Nothing to read means that the host is not there: a new one begins anew.
    if (got <= 0 && errno != EINTR) length = 0, nanosleep(&absent, NULL);
  }
  return length - 1;
}

bool serve(char *text, size_t size, int (*respond)(char *text, size_t length)) {
  char device[DEVICE_CHARS_MAX];
  if (!find_port(device)) return errno == ENODEV;
  int port = openat(root_folder(), device, O_RDWR | O_CLOEXEC);
  if (port < 0 || dup2(port, STDOUT_FILENO) < 0) return false;
  signal(SIGCHLD, SIG_IGN);  // a server that ends is nobody's business here
  signal(SIGPIPE, SIG_IGN);  // nor is it when a key is handed to it
  for (;;) {
    respond(text, read_request(port, text, size));
    fflush(stdout);
  }
}
