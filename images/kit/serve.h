// The kit as the host finds it in a machine that runs already: on a virtio port of its own, waiting. A clone's first
// answer is there as soon as its processor turns; a guest agent would have to start a program first, and be asked again
// and again whether that has ended.
#pragma once
#include <stdbool.h>
#include <stddef.h>

// Reads requests from the port, each ended by an empty line, and has `respond` answer each on standard output. One that
// is longer than `size` less one is cut there. Returns true where there is no such port, and false with errno.
bool serve(char *text, size_t size, int (*respond)(char *text, size_t length));
