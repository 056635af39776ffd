/* How much a failover would lose at most, in time: the policy `bounded`. Pure. */
#pragma once

#include <stddef.h>

#include "decide/observation.h"
#include "decide/record.h"

/* When the primary had been lost at the latest, as far as contacts tell: nobody listened, or the newest contact found
 * no answer. While it answers: when it last did. */
uint64_t bound_lost_us(const struct observation *seen, uint32_t primary);

/* Whether all that `primary` had committed max_loss_s before until_us is proven to be on `server`, by what the primary
 * was seen to have and the server has received. until_us = 0: not known. When false, `text` (NUL-terminated, cut off)
 * says how much may be missing. */
bool bound_holds(const struct record *record, const struct observation *seen, uint32_t primary,
		 uint32_t server, uint64_t until_us, char *text, size_t text_bytes);
