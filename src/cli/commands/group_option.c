#include "cli/commands/group_option.h"

#include <string.h>

#include "base/check.h"
#include "base/str.h"

enum { MAX_LOSS_S_MAX = 86400 };

enum err group_option_policy(struct cli *cli, const struct args *args, json_t *body)
{
	const char *policy = args_text(args, "policy");
	const char *max_loss = args_text(args, "max-loss-s");
	uint32_t max_loss_s = 0;
	if (policy && strcmp(policy, "lossless") != 0 && strcmp(policy, "bounded") != 0 &&
	    strcmp(policy, "async") != 0) {
		return err_set(&cli->err, ERR_USAGE,
			       "--policy: '%s' is none of lossless, bounded, async", policy);
	}
	if (max_loss && str_parse_u32(str_of(max_loss), 1, MAX_LOSS_S_MAX, &max_loss_s) != ERR_OK) {
		return err_set(&cli->err, ERR_USAGE, "--max-loss-s: '%s' is no number from 1 to %d",
			       max_loss, (int)MAX_LOSS_S_MAX);
	}
	if (policy) {
		check(json_object_set_new(body, "policy", json_string(policy)) == 0);
	}
	if (max_loss) {
		check(json_object_set_new(body, "max_loss_s", json_integer(max_loss_s)) == 0);
	}
	return ERR_OK;
}
