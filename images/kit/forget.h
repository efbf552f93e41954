// What a machine must not carry when it is frozen for others to be made of it.
#pragma once
#include <stdbool.h>

// Removes host keys, `user`'s authorized keys, the machine id and the seed for the next boot, and brings what is left
// of the machine to its disk. False with errno if it cannot.
bool forget_identity(const char *user);
