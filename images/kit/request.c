#include "request.h"

#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
static bool is_alphanumeric(char c) { return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z'); }

static int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

static bool parse_hex(const char *value, uint8_t *bytes, size_t *count, size_t min, size_t max) {
  size_t length = strlen(value);
  if (length % 2 != 0 || length / 2 < min || length / 2 > max) return false;
  for (size_t i = 0; i < length / 2; i++) {
    int high = hex_digit(value[2 * i]);
    int low = hex_digit(value[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    bytes[i] = (uint8_t)(high * 16 + low);
  }
  *count = length / 2;
  return true;
}

static bool copy_if(bool valid, const char *value, char *to, size_t chars_max) {
  if (!valid || strlen(value) > chars_max) return false;
  strcpy(to, value);
  return true;
}

// 19 digits reach from 2001 to 2286, and fit 63 bits.
static bool parse_clock(const char *value, struct request *request) {
  if (strlen(value) != 19 || value[0] == '0' || value[0] == '9') return false;
  int64_t clock_ns = 0;
  for (const char *c = value; *c != '\0'; c++) {
    if (!is_digit(*c)) return false;
    clock_ns = clock_ns * 10 + (*c - '0');
  }
  request->clock_ns = clock_ns;
  return true;
}

// How far the clock is behind the host's: where a program takes long to start, only a difference arrives in time.
static bool parse_clock_shift(const char *value, struct request *request) {
  enum { DIGITS_MAX = 18 };
  bool negative = value[0] == '-';
  const char *digits = value + negative;
  size_t length = strlen(digits);
  if (length == 0 || length > DIGITS_MAX || strspn(digits, "0123456789") != length) return false;
  int64_t shift_ns = 0;
  for (const char *c = digits; *c != '\0'; c++) shift_ns = shift_ns * 10 + (*c - '0');
  request->clock_shift_ns = negative ? -shift_ns : shift_ns;
  return true;
}

static bool parse_entropy(const char *value, struct request *request) {
  return parse_hex(value, request->entropy, &request->entropy_bytes, ENTROPY_BYTES_MIN, ENTROPY_BYTES_MAX);
}

static bool parse_salt(const char *value, struct request *request) {
  return parse_hex(value, request->salt, &request->salt_bytes, SALT_BYTES_MIN, SALT_BYTES_MAX);
}

static bool parse_machine_id(const char *value, struct request *request) {
  uint8_t bytes[MACHINE_ID_CHARS / 2];
  size_t count = 0;
  bool hex = parse_hex(value, bytes, &count, sizeof bytes, sizeof bytes);
  bool zero = strspn(value, "0") == strlen(value);
  return copy_if(hex && !zero, value, request->machine_id, MACHINE_ID_CHARS);
}

// RFC 1123 2.1: labels of letters, digits and inner hyphens, at most 63 long.
static bool parse_hostname(const char *value, struct request *request) {
  size_t label = 0;
  for (const char *c = value;; c++) {
    bool end = *c == '\0' || *c == '.';
    if (end && (label == 0 || label > 63 || c[-1] == '-')) return false;
    if (*c == '\0') break;
    if (!end && !is_alphanumeric(*c) && (*c != '-' || label == 0)) return false;
    label = end ? 0 : label + 1;
  }
  return copy_if(true, value, request->hostname, HOSTNAME_CHARS_MAX);
}

// Only the plain form, without the options sshd would take before the type: `ssh-ed25519 BASE64 [comment]`.
static bool parse_authorized_key(const char *value, struct request *request) {
  static const char type[] = "ssh-ed25519 ";
  enum { ED25519_BASE64_CHARS = 68 };
  if (strncmp(value, type, sizeof type - 1) != 0) return false;
  const char *c = value + sizeof type - 1;
  for (int i = 0; i < ED25519_BASE64_CHARS; i++, c++) {
    if (!is_alphanumeric(*c) && *c != '+' && *c != '/') return false;
  }
  if (*c != '\0' && *c++ != ' ') return false;
  for (; *c != '\0'; c++) {
    if (!is_alphanumeric(*c) && strchr("@._-", *c) == NULL) return false;
  }
  return copy_if(true, value, request->authorized_key, AUTHORIZED_KEY_CHARS_MAX);
}

static bool parse_user(const char *value, struct request *request) {
  bool valid = is_lower(value[0]) || value[0] == '_';
  for (const char *c = value; *c != '\0'; c++) valid = valid && (is_lower(*c) || is_digit(*c) || *c == '_' || *c == '-');
  return copy_if(valid, value, request->user, USER_CHARS_MAX);
}

static bool parse_tools(const char *value, struct request *request) {
  bool valid = value[0] != '\0';
  for (const char *c = value; *c != '\0'; c++) valid = valid && (is_alphanumeric(*c) || *c == '_' || *c == '-');
  return copy_if(valid, value, request->tools_serial, DISK_SERIAL_CHARS_MAX);
}

static bool parse_host_key(const char *value, struct request *request) {
  return request->host_key = strcmp(value, "make") == 0;
}

static bool parse_door(const char *value, struct request *request) {
  if (strcmp(value, "start") == 0) request->door = DOOR_START;
  if (strcmp(value, "hold") == 0) request->door = DOOR_HOLD;
  return request->door != DOOR_AS_IT_IS;
}

static bool parse_forget(const char *value, struct request *request) {
  return request->forget = strcmp(value, "all") == 0;
}

static const struct {
  const char *key;
  bool (*parse)(const char *value, struct request *request);
} KEYS[] = {
    {"entropy", parse_entropy},   {"clock", parse_clock},
    {"clock-shift", parse_clock_shift}, {"machine-id", parse_machine_id}, {"hostname", parse_hostname},
    {"host-key", parse_host_key}, {"authorized-key", parse_authorized_key},
    {"user", parse_user},         {"tools", parse_tools},
    {"door", parse_door},         {"salt", parse_salt},
    {"forget", parse_forget},
};
enum { KEY_COUNT = sizeof KEYS / sizeof KEYS[0] };

// The reason to refuse this line, or NULL. `seen` holds a bit for each key so far.
static const char *parse_line(char *line, unsigned *seen, struct request *request) {
  char *value = strchr(line, '=');
  if (value == NULL) return "not of the form key=value";
  *value++ = '\0';
  for (unsigned i = 0; i < KEY_COUNT; i++) {
    if (strcmp(line, KEYS[i].key) != 0) continue;
    if (*seen & 1U << i) return "key given twice";
    *seen |= 1U << i;
    return KEYS[i].parse(value, request) ? NULL : "value not allowed for this key";
  }
  return "unknown key";
}

static const char *contradiction(const struct request *request) {
  if (request->clock_ns != 0 && request->clock_shift_ns != 0) return "clock and clock-shift";
  bool becoming = request->machine_id[0] != '\0' || request->host_key || request->authorized_key[0] != '\0' || request->door == DOOR_START;
  if (request->forget && becoming) return "forget with what it would undo";
  if (request->door == DOOR_HOLD && !request->forget) return "a door is held only by who forgets";
  if (request->user[0] != '\0' && request->authorized_key[0] == '\0' && !request->forget)
    return "user without authorized-key";
  return NULL;
}

bool parse_request(char *text, size_t length, struct request *request, struct refusal *refusal) {
  memset(request, 0, sizeof *request);
  *refusal = (struct refusal){.line = 1};
  if (memchr(text, '\0', length) != NULL) {
    refusal->reason = "holds a zero byte";
    return false;
  }
  unsigned seen = 0;
  for (char *line = text; line < text + length; refusal->line++) {
    char *end = strchr(line, '\n');
    if (end == NULL) {
      refusal->reason = "cut off: no line end";
      return false;
    }
    *end = '\0';
    refusal->reason = parse_line(line, &seen, request);
    if (refusal->reason != NULL) return false;
    line = end + 1;
  }
  refusal->reason = contradiction(request);
  return refusal->reason == NULL;
}
