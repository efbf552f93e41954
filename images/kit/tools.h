// The host's read-only disk of tools.
#pragma once
#include <stdbool.h>

// Mounts the virtio disk of that serial at /opt/slipway/tools. False with errno; ENODEV if no disk has that serial.
bool mount_tools(const char *serial);
