/* Text from outside (servers, programs) as JSON. */
#pragma once

#include <jansson.h>

#include "base/str.h"

/* A JSON string; bytes that are no UTF-8 become '?', so that it is always one. A new reference. */
json_t *text_to_json(struct str text);
