#include "steps.h"

#include "access.h"
#include "door.h"
#include "files.h"
#include "forget.h"
#include "gate.h"
#include "host-key.h"
#include "system.h"
#include "tools.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool write_etc(const char *name, const char *text, mode_t mode) {
  char line[HOSTNAME_CHARS_MAX + 2];
  int length = snprintf(line, sizeof line, "%s\n", text);
  int folder = open_folder("etc");
  if (folder < 0) return false;
  bool done = replace_file(folder, name, line, (size_t)length, mode, ROOT_OWNER);
  int cause = errno;
  close(folder);
  errno = cause;
  return done;
}

static bool wants_reseed(const struct request *request) { return request->entropy_bytes > 0; }
static bool reseed(const struct request *request) {
  return system_reseed(request->entropy, request->entropy_bytes) == 0;
}

static bool wants_clock(const struct request *request) {
  return request->clock_ns > 0 || request->clock_shift_ns != 0;
}
static bool set_clock(const struct request *request) {
  const int64_t second_ns = 1000000000;
  struct timespec now = {0};
  if (request->clock_shift_ns != 0 && clock_gettime(CLOCK_REALTIME, &now) != 0) return false;
  int64_t set_ns = (int64_t)now.tv_sec * second_ns + now.tv_nsec + request->clock_ns + request->clock_shift_ns;
  return system_set_clock((struct timespec){set_ns / second_ns, set_ns % second_ns}) == 0;
}

static bool wants_machine_id(const struct request *request) { return request->machine_id[0] != '\0'; }
static bool set_machine_id(const struct request *request) { return write_etc("machine-id", request->machine_id, 0444); }

static bool wants_hostname(const struct request *request) { return request->hostname[0] != '\0'; }
static bool set_hostname(const struct request *request) {
  return system_set_hostname(request->hostname) == 0 && write_etc("hostname", request->hostname, 0644);
}

static bool wants_host_key(const struct request *request) { return request->host_key; }
static bool set_host_key(const struct request *request) {
  (void)request;
  reach_gate();
  return make_host_key();
}

static bool wants_access(const struct request *request) { return request->authorized_key[0] != '\0'; }
static const char *user_of(const struct request *request) { return request->user[0] != '\0' ? request->user : "root"; }
static bool give_access(const struct request *request) {
  return authorize_key(user_of(request), request->authorized_key);
}

static bool wants_tools(const struct request *request) { return request->tools_serial[0] != '\0'; }
static bool attach_tools(const struct request *request) { return mount_tools(request->tools_serial); }

static bool wants_door(const struct request *request) { return request->door == DOOR_START; }
static bool start_door(const struct request *request) {
  (void)request;
  return open_door();
}

static bool wants_forget(const struct request *request) { return request->forget; }
static bool shut_door(const struct request *request) {
  (void)request;
  return close_door();
}
static bool wants_hold(const struct request *request) { return request->door == DOOR_HOLD; }
static bool hold(const struct request *request) {
  (void)request;
  return hold_door();
}
static bool forget(const struct request *request) { return forget_identity(user_of(request)); }

// The generator is renewed before anything is drawn from it; the door opens when nothing is left to change.
const struct step STEPS[STEP_COUNT] = {
    {"reseed", wants_reseed, reseed},
    {"clock", wants_clock, set_clock},
    {"machine-id", wants_machine_id, set_machine_id},
    {"hostname", wants_hostname, set_hostname},
    {"host-key", wants_host_key, set_host_key},
    {"authorized-key", wants_access, give_access},
    {"tools", wants_tools, attach_tools},
    {"door", wants_door, start_door},
    {"close-door", wants_forget, shut_door},
    {"forget", wants_forget, forget},
    {"hold-door", wants_hold, hold},
};
