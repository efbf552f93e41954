// The machine's one-time user key.
#pragma once
#include <stdbool.h>

// Makes `key` the only key that opens `user`'s account. False with errno if it cannot; ENOENT for an unknown user.
bool authorize_key(const char *user, const char *key);
