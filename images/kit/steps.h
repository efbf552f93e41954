// What makes one machine unlike every other, in the order that keeps it safe.
#pragma once
#include "request.h"

#include <stdbool.h>
#include <stdint.h>

// A step's name, and how to do it. `asked` says whether the request wants it; `act` is false with errno if it fails.
struct step {
  const char *name;
  bool (*asked)(const struct request *request);
  bool (*act)(const struct request *request);
};

enum { STEP_COUNT = 11 };
extern const struct step STEPS[STEP_COUNT];
