// slipway-kit: makes this machine unlike every other made from the same image, then opens its door.
// A request (request.h) on standard input or on a port of its own (serve.h), one line of JSON back.
// `slipway-kit grow` is run by the machine itself while it boots; `slipway-kit serve` answers the host ever after.
#include "files.h"
#include "grow.h"
#include "host-key.h"
#include "request.h"
#include "serve.h"
#include "steps.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { KIT_VERSION = 1, SAMPLE_BYTES = 32 };

static int64_t now_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

// Prints `"name":"value",`. What was read back from the machine is not trusted to be plain text.
static void print_field(const char *name, const char *value) {
  printf("\"%s\":\"", name);
  for (const char *c = value; *c != '\0'; c++) putchar(*c < ' ' || *c > '~' || *c == '"' || *c == '\\' ? '?' : *c);
  printf("\",");
}

static void print_line_of(const char *name, const char *path) {
  char line[HOSTNAME_CHARS_MAX + 2];
  if (read_line(path, line, sizeof line)) print_field(name, line);
}

static int print_failure(const char *step, int number, const char *message) {
  printf("{\"kit\":%d,\"ok\":false,", KIT_VERSION);
  print_field("step", step);
  print_field("message", message);
  printf("\"errno\":%d}\n", number);
  return 1;
}

// A hash, so that the host can see two machines draw alike without ever holding what they drew.
static bool print_sample(const struct request *request) {
  uint8_t input[SALT_BYTES_MAX + SAMPLE_BYTES], hash[crypto_hash_sha256_BYTES];
  char hex[2 * sizeof hash + 1];
  memcpy(input, request->salt, request->salt_bytes);
  if (getrandom(input + request->salt_bytes, SAMPLE_BYTES, 0) != SAMPLE_BYTES) return false;
  crypto_hash_sha256(hash, input, request->salt_bytes + SAMPLE_BYTES);
  sodium_memzero(input, sizeof input);
  print_field("sampleHash", sodium_bin2hex(hex, sizeof hex, hash, sizeof hash));
  return true;
}

static int answer(const struct request *request, const int64_t took_us[STEP_COUNT]) {
  char host_key[PUBLIC_KEY_LINE_CHARS_MAX + 1];
  printf("{\"kit\":%d,\"ok\":true,\"steps\":[", KIT_VERSION);
  const char *separator = "";
  for (int i = 0; i < STEP_COUNT; i++) {
    if (!STEPS[i].asked(request)) continue;
    printf("%s{\"step\":\"%s\",\"us\":%lld}", separator, STEPS[i].name, (long long)took_us[i]);
    separator = ",";
  }
  printf("],");
  if (read_host_key(host_key)) print_field("hostKey", host_key);
  print_line_of("machineId", "etc/machine-id");
  print_line_of("hostname", "proc/sys/kernel/hostname");
  print_line_of("bootId", "proc/sys/kernel/random/boot_id");
  if (request->salt_bytes > 0 && !print_sample(request)) return 1;
  printf("\"clockNs\":%lld}\n", (long long)now_ns(CLOCK_REALTIME));
  return 0;
}

static int run(const struct request *request) {
  int64_t took_us[STEP_COUNT] = {0};
  for (int i = 0; i < STEP_COUNT; i++) {
    if (!STEPS[i].asked(request)) continue;
    int64_t start_ns = now_ns(CLOCK_MONOTONIC);
    if (!STEPS[i].act(request)) return print_failure(STEPS[i].name, errno, strerror(errno));
    took_us[i] = (now_ns(CLOCK_MONOTONIC) - start_ns) / 1000;
  }
  return answer(request, took_us);
}

// What the request in `text` asks for, answered on standard output in one line. Nothing of it is left in memory.
static int respond(char *text, size_t length) {
  static struct request request;
  struct refusal refusal;
  text[length] = '\0';
  bool parsed = parse_request(text, length, &request, &refusal);
  explicit_bzero(text, length);
  if (parsed) {
    int code = run(&request);
    explicit_bzero(&request, sizeof request);
    return code;
  }
  char message[80];
  snprintf(message, sizeof message, "line %u: %s", refusal.line, refusal.reason);
  return print_failure("request", EINVAL, message);
}

// All of standard input, or -1 with errno; EFBIG if it is longer than a request may be.
static ssize_t read_input(char *text, size_t size) {
  size_t length = 0;
  ssize_t got;
  while ((got = read(STDIN_FILENO, text + length, size - length)) > 0) length += (size_t)got;
  if (got < 0) return -1;
  if (length == size) return errno = EFBIG, -1;
  return (ssize_t)length;
}

int main(int count, char **arguments) {
  static char text[REQUEST_BYTES_MAX + 1];
  const char *verb = count == 2 ? arguments[1] : "";
  if (strcmp(verb, "version") == 0) return printf("slipway-kit %d\n", KIT_VERSION) < 0;
  if (strcmp(verb, "grow") == 0) return grow_root() ? 0 : (perror("slipway-kit grow"), 1);
  if (strcmp(verb, "serve") == 0) return serve(text, sizeof text, respond) ? 0 : (perror("slipway-kit serve"), 1);
  if (count > 1) return fputs("usage: slipway-kit [version|grow|serve]; a request is read from standard input\n", stderr), 2;

  ssize_t length = read_input(text, sizeof text);
  if (length < 0) return print_failure("request", errno, strerror(errno));
  return respond(text, (size_t)length);
}
