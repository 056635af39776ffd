#include "agent/privilege.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HOW \
	"give them with AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW in the systemd unit, " \
	"or with 'setcap cap_net_admin,cap_net_raw+ep' on the program"

enum err privilege_missing(struct err_ctx *err, const char *what)
{
	return err_set(err, ERR_PRIVILEGE, "%s: CAP_NET_ADMIN and CAP_NET_RAW are needed; " HOW,
		       what);
}

enum err privilege_check(struct err_ctx *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
	if (syscall(SYS_capget, &head, data) != 0) {
		return err_set(err, ERR_IO, "cannot read this process's capabilities: %s",
			       strerrordesc_np(errno));
	}
	bool has_admin = data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective & CAP_TO_MASK(CAP_NET_ADMIN);
	bool has_raw = data[CAP_TO_INDEX(CAP_NET_RAW)].effective & CAP_TO_MASK(CAP_NET_RAW);
	if (has_admin && has_raw) {
		return ERR_OK;
	}
	return err_set(err, ERR_PRIVILEGE, "floating addresses need %s; " HOW,
		       has_admin ? "CAP_NET_RAW"
		       : has_raw ? "CAP_NET_ADMIN"
				 : "CAP_NET_ADMIN and CAP_NET_RAW");
}
