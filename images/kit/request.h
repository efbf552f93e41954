// What the host asks of a fresh machine: `key=value` lines on standard input, each value checked before anything is done.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

enum {
  ENTROPY_BYTES_MIN = 32,
  ENTROPY_BYTES_MAX = 512,
  SALT_BYTES_MIN = 16,
  SALT_BYTES_MAX = 64,
  MACHINE_ID_CHARS = 32,
  HOSTNAME_CHARS_MAX = 64,
  AUTHORIZED_KEY_CHARS_MAX = 400,
  USER_CHARS_MAX = 32,
  DISK_SERIAL_CHARS_MAX = 20,  // virtio-blk cuts a serial there
  REQUEST_BYTES_MAX = 8192,
};

// A string, a length, a clock or a shift of 0, or a false flag means: not asked for.
struct request {
  uint8_t entropy[ENTROPY_BYTES_MAX];
  size_t entropy_bytes;
  int64_t clock_ns;
  int64_t clock_shift_ns;
  char machine_id[MACHINE_ID_CHARS + 1];
  char hostname[HOSTNAME_CHARS_MAX + 1];
  bool host_key;
  char authorized_key[AUTHORIZED_KEY_CHARS_MAX + 1];
  char user[USER_CHARS_MAX + 1];
  char tools_serial[DISK_SERIAL_CHARS_MAX + 1];
  enum { DOOR_AS_IT_IS, DOOR_START, DOOR_HOLD } door;
  bool forget;
  uint8_t salt[SALT_BYTES_MAX];
  size_t salt_bytes;
};

// Why a request is refused. Never holds a value: values are secrets, and may come back in a log.
struct refusal {
  unsigned line;
  const char *reason;
};

// Fills `request` from `text` (cut up in place), or says why not. A refused request is left unused: nothing of it is done.
bool parse_request(char *text, size_t length, struct request *request, struct refusal *refusal);
