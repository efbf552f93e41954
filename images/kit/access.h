// The machine's one-time user key.
#pragma once
#include <stdbool.h>

// Makes `key` the only key that opens `user`'s account. False with errno if it cannot; ENOENT for an unknown user.
bool authorize_key(const char *user, const char *key);

// Takes away whatever key opens `user`'s account; fine if there is none.
bool withdraw_keys(const char *user);
