#include "manager/peers/account_read.h"

#include "db/server/server.h"

static enum err add_one(void *ctx, const struct server_account *row, struct err_ctx *err)
{
	const struct account account = { .user = row->user,
					 .host = row->host,
					 .plugin = row->plugin,
					 .auth = row->auth,
					 .locked = row->locked };
	return accounts_add(ctx, &account, err);
}

enum err account_read(struct conn *conn, uint64_t deadline_us, struct accounts **ret,
		      struct err_ctx *err)
{
	struct conn_greeting greeting;
	conn_get_greeting(conn, &greeting);
	struct accounts_facts facts = { .capabilities = greeting.capabilities,
					.charset = greeting.charset,
					.mariadb = str_contains_nocase(str_of(greeting.version),
								       STR("mariadb")) };
	enum err rc = str_copy(str_of(greeting.version), facts.server_version,
			       sizeof(facts.server_version));
	if (rc == ERR_OK) {
		rc = str_copy(str_of(server_default_plugin(conn)), facts.default_plugin,
			      sizeof(facts.default_plugin));
	}
	if (rc != ERR_OK) {
		return err_set(err, rc, "the server's greeting has overlong fields");
	}
	struct accounts *accounts = accounts_new(&facts);
	rc = server_read_accounts(conn, deadline_us, add_one, accounts, err);
	if (rc != ERR_OK) {
		(void)accounts_unref(accounts);
		return rc;
	}
	accounts_seal(accounts);
	*ret = accounts;
	return ERR_OK;
}
