/* The counted route snapshot. */
#include "proxy/routing/target.h"

#include <stdatomic.h>

#include "base/mem.h"

struct counted_target {
	struct target target; /* first: a target's address is its holder's */
	atomic_uint references;
};

static struct counted_target *holder_of(struct target *target)
{
	return (struct counted_target *)(void *)target;
}

struct target *target_new(const struct route *route)
{
	struct counted_target *holder = mem_need(sizeof(*holder));
	holder->target.route = *route;
	atomic_init(&holder->references, 1);
	return &holder->target;
}

struct target *target_ref(struct target *target)
{
	if (target) {
		(void)atomic_fetch_add(&holder_of(target)->references, 1);
	}
	return target;
}

struct target *target_unref(struct target *target)
{
	if (target && atomic_fetch_sub(&holder_of(target)->references, 1) == 1) {
		(void)mem_free(holder_of(target));
	}
	return NULL;
}
