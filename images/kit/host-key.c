#include "host-key.h"

#include "files.h"

#include <errno.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static const char TYPE[] = "ssh-ed25519";
static const char OPENSSH_PUBLIC[] = "etc/ssh/ssh_host_ed25519_key.pub";
static const char DROPBEAR_PUBLIC[] = "etc/dropbear/dropbear_ed25519_host_key.pub";

struct key_pair {
  uint8_t public_half[crypto_sign_PUBLICKEYBYTES];
  uint8_t secret[crypto_sign_SECRETKEYBYTES];  // seed, then the public half: as both formats want it
  uint8_t check[4];
};

// Bytes in SSH's wire form (RFC 4251 section 5), in a buffer that every use below is far from filling.
struct wire {
  uint8_t bytes[512];
  size_t length;
};

static void put_bytes(struct wire *wire, const void *bytes, size_t count) {
  memcpy(wire->bytes + wire->length, bytes, count);
  wire->length += count;
}

static void put_uint32(struct wire *wire, uint32_t value) {
  uint8_t bytes[] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
  put_bytes(wire, bytes, sizeof bytes);
}

static void put_string(struct wire *wire, const void *bytes, size_t count) {
  put_uint32(wire, (uint32_t)count);
  put_bytes(wire, bytes, count);
}

static void put_text(struct wire *wire, const char *text) { put_string(wire, text, strlen(text)); }

static void put_public(struct wire *wire, const struct key_pair *pair) {
  put_text(wire, TYPE);
  put_string(wire, pair->public_half, sizeof pair->public_half);
}

// OpenSSH's PROTOCOL.key: no cipher, one key, its private part padded with 1, 2, 3… to a multiple of 8.
static void put_openssh(struct wire *wire, const struct key_pair *pair) {
  struct wire public_part = {.length = 0};
  put_public(&public_part, pair);
  struct wire private_part = {.length = 0};
  put_bytes(&private_part, pair->check, sizeof pair->check);
  put_bytes(&private_part, pair->check, sizeof pair->check);
  put_public(&private_part, pair);
  put_string(&private_part, pair->secret, sizeof pair->secret);
  put_text(&private_part, "");
  for (uint8_t pad = 1; private_part.length % 8 != 0; pad++) put_bytes(&private_part, &pad, 1);

  put_bytes(wire, "openssh-key-v1", sizeof "openssh-key-v1");
  put_text(wire, "none");
  put_text(wire, "none");
  put_text(wire, "");
  put_uint32(wire, 1);
  put_string(wire, public_part.bytes, public_part.length);
  put_string(wire, private_part.bytes, private_part.length);
  sodium_memzero(&private_part, sizeof private_part);
}

static void put_dropbear(struct wire *wire, const struct key_pair *pair) {
  put_text(wire, TYPE);
  put_string(wire, pair->secret, sizeof pair->secret);
}

// The PEM-like armour, 70 characters a line.
static size_t armour(const struct wire *wire, char *text, size_t size) {
  char base64[1024];
  sodium_bin2base64(base64, sizeof base64, wire->bytes, wire->length, sodium_base64_VARIANT_ORIGINAL);
  size_t length = (size_t)snprintf(text, size, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
  for (const char *rest = base64; *rest != '\0'; rest += strnlen(rest, 70))
    length += (size_t)snprintf(text + length, size - length, "%.70s\n", rest);
  length += (size_t)snprintf(text + length, size - length, "-----END OPENSSH PRIVATE KEY-----\n");
  sodium_memzero(base64, sizeof base64);
  return length;
}

static bool make_pair(struct key_pair *pair) {
  uint8_t seed[crypto_sign_SEEDBYTES];
  if (sodium_init() < 0) return errno = ENOSYS, false;
  if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed) return false;
  if (getrandom(pair->check, sizeof pair->check, 0) != (ssize_t)sizeof pair->check) return false;
  crypto_sign_seed_keypair(pair->public_half, pair->secret, seed);
  sodium_memzero(seed, sizeof seed);
  return true;
}

// Writes `name` and `name`.pub in /etc/`folder`; a server that is not installed has no such folder and is passed over.
static bool write_pair(const char *path, const char *name, const void *secret, size_t bytes, const char *public_line,
                       bool *wrote) {
  char public_name[64];
  snprintf(public_name, sizeof public_name, "%s.pub", name);
  int folder = open_folder(path);
  if (folder < 0) return errno == ENOENT;
  *wrote = replace_file(folder, name, secret, bytes, 0600, ROOT_OWNER) &&
           replace_file(folder, public_name, public_line, strlen(public_line), 0644, ROOT_OWNER);
  int cause = errno;
  close(folder);
  errno = cause;
  return *wrote;
}

bool make_host_key(void) {
  struct key_pair pair;
  if (!make_pair(&pair)) return false;
  struct wire openssh = {.length = 0}, dropbear = {.length = 0}, public_part = {.length = 0};
  put_openssh(&openssh, &pair);
  put_dropbear(&dropbear, &pair);
  put_public(&public_part, &pair);

  char base64[PUBLIC_KEY_LINE_CHARS_MAX], line[PUBLIC_KEY_LINE_CHARS_MAX + 1], armoured[1024];
  sodium_bin2base64(base64, sizeof base64, public_part.bytes, public_part.length, sodium_base64_VARIANT_ORIGINAL);
  snprintf(line, sizeof line, "%s %.100s\n", TYPE, base64);
  size_t armoured_bytes = armour(&openssh, armoured, sizeof armoured);

  bool wrote = false;
  bool done = write_pair("etc/ssh", "ssh_host_ed25519_key", armoured, armoured_bytes, line, &wrote) &&
              write_pair("etc/dropbear", "dropbear_ed25519_host_key", dropbear.bytes, dropbear.length, line, &wrote);
  int cause = done && !wrote ? ENOENT : errno;
  sodium_memzero(&pair, sizeof pair);
  sodium_memzero(&openssh, sizeof openssh);
  sodium_memzero(&dropbear, sizeof dropbear);
  sodium_memzero(armoured, sizeof armoured);
  errno = cause;
  return done && wrote;
}

bool read_host_key(char line[PUBLIC_KEY_LINE_CHARS_MAX + 1]) {
  return read_line(OPENSSH_PUBLIC, line, PUBLIC_KEY_LINE_CHARS_MAX + 1) ||
         read_line(DROPBEAR_PUBLIC, line, PUBLIC_KEY_LINE_CHARS_MAX + 1);
}
