/* A client session: what one client is, wants and has set up. It borrows a server connection.
 *
 * session.c owns its life and its loop; session_login.c lets the client in, session_command.c takes
 * its commands, session_reply.c relays, session_loss.c decides what a lost connection means.
 */
#pragma once

#include "base/buf.h"
#include "base/list.h"
#include "proxy/login/client_auth.h"
#include "proxy/pool.h"
#include "proxy/routing/routing.h"
#include "proxy/session/causal.h"
#include "proxy/session/refusal.h"
#include "proxy/session/state.h"
#include "proxy/session/stmts.h"
#include "proxy/transport.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"
#include "wire/packet.h"

enum {
	SESSION_ID_FIRST = 0x40000000, /* far from the ids that servers give */
	SESSION_READ_BYTES = 16384,
	SESSION_RETAINED_BYTES_MAX = 1 << 20, /* longer commands stream through, unkept */
	SESSION_PREFIX_BYTES = 65536,	      /* of such a command, what is looked at */
	SESSION_LOGIN_MS_MAX = 10000,
	SESSION_RETRY_MS = 10, /* between two attempts to reach a server for a waiting statement */
	SESSION_LEAVE_MS = 5000, /* for a reader's answer from a server that was taken out */
};

enum session_phase {
	SESSION_WAITS_ACCOUNTS, /* accepted before anything is known: no greeting yet */
	SESSION_LOGIN,
	SESSION_IDLE,
	SESSION_HELD, /* a command waits: for a primary, a connection, or its set-up */
	SESSION_SEND, /* its bytes are on their way to the server */
	SESSION_REPLY,
	SESSION_INFILE,	 /* the client sends a file's content */
	SESSION_DISCARD, /* the rest of what the client sends for this command is of no use */
	SESSION_CLOSING, /* what is queued goes out, then the end */
	SESSION_DEAD,
};

/* Not a command of the protocol: the end of a log-in, which needs a server as well. */
enum { SESSION_COMMAND_ENTER = 0x100 };

struct session_command {
	uint16_t type; /* COMMAND_* or SESSION_COMMAND_ENTER */
	bool retained; /* whole in `in` */
	bool has_reply;
	bool visible; /* a byte of the reply went to the client */
	enum outcome_sent sent;
	size_t wire_bytes;    /* of a retained command: at the start of `in` */
	size_t sent_bytes;    /* of those */
	size_t scanned_bytes; /* of a streamed one: bytes of `in` that belong to it */
	bool scanned_whole;   /* its last byte is among them */
	bool is_file;	      /* what streams is a file's content: an empty packet ends it */
	struct packet_scan scan;
	uint8_t sequence_next; /* id of the next frame to the client */
	struct statement statement;
	struct stmt *stmt;   /* of the COM_STMT commands */
	bool in_transaction; /* when it was sent */
	uint32_t killed_id;  /* session that a KILL is to end; 0: none */
	uint64_t since_us;   /* when it came */
	uint64_t retry_us;   /* not before */
	struct buf error;    /* payload of the ERR to send once the rest is discarded */
};

struct session {
	struct watch watch;
	struct list link; /* worker->sessions */
	struct dying dying;
	struct list login_link;	  /* worker->logins or none */
	struct list held_link;	  /* worker->held or none */
	struct list ready_link;	  /* worker->ready or none */
	struct list starved_link; /* worker->starved or none */
	struct worker *worker;
	struct transport io;
	uint32_t id;
	enum proxy_listener_role role;
	enum session_phase phase;
	char address[NET_ADDRESS_TEXT_BYTES_MAX];
	uint64_t login_deadline_us;

	struct buf in;	/* from the client, the current command first */
	struct buf out; /* to the client */
	size_t out_at;

	/* Who the client is. */
	capabilities caps;
	uint8_t scramble[GREETING_SCRAMBLE_BYTES];
	uint8_t collation;
	uint32_t packet_bytes_max;
	char *user;	  /* owned */
	char *attributes; /* owned, as on the wire */
	size_t attributes_bytes;
	enum auth_plugin plugin;
	const struct credential *credential; /* a reference */
	struct client_auth *auth;	     /* during log-in; owned */
	const struct credential *auth_known; /* that `auth` points at; a reference */
	struct accounts *auth_accounts;	     /* that `auth` points into; a reference */
	uint8_t sequence;
	bool mariadb;	   /* what the greeting said */
	uint16_t status;   /* the last flags of its server */
	bool changes_user; /* the log-in under way is a COM_CHANGE_USER */

	struct state state;
	struct stmts stmts;
	struct session_command command;
	struct upstream *upstream; /* borrowed from nobody else while it is here; NULL: none */
	struct upstream
		*links[POOL_LINKS]; /* of PROXY_SPLIT: parked, as it left them; NULL: none */
	uint32_t named_thread;	    /* what its name leads to (worker->names) */
	struct causal causal;	    /* of PROXY_SPLIT */
	bool keeps_last;       /* what the next statement may ask for is on this connection only */
	bool counted_read;     /* in worker->reads[upstream->server] */
	bool counted_open;     /* in worker->transactions_open */
	bool counted_held;     /* in worker->held_count, on worker->held */
	size_t counted_bytes;  /* in worker->held_bytes */
	bool transaction_lost; /* the next statement is told */
	uint64_t leave_us;     /* 0, or when a reader gives its server up */
	uint32_t lost;	       /* enum state_loss bits: the next statement is told */
	char lost_server[ROUTE_HOST_BYTES_MAX];
};

/* A new client; takes the socket. */
void session_accept(struct worker *worker, int fd, enum proxy_listener_role role,
		    const char *address);

/* Goes on as far as it can. The session may be dead afterwards (freed at the end of the turn). */
void session_run(struct session *session);

/* Ends it: the client's socket and the server connection. Harmless when dead. */
void session_close(struct session *session);

/* The route in force has changed. */
void session_reroute(struct session *session);

/* Gives up a server that was taken out of rotation and hasn't answered since. */
void session_leave(struct session *session);

/* Connects in the background where the next statement will go. false: too many are under way. */
bool session_preopen(struct session *session);

/* Reads from the client into `in`, at most `bytes`. On TRANSPORT_CLOSED the session is dead. */
enum transport_result session_read(struct session *session, size_t bytes);

/* Writes what is queued for the client. false: blocked or dead. */
bool session_flush(struct session *session);

/* Queues one packet with the next sequence id. */
void session_send_packet(struct session *session, struct str payload);

/* Queues an ERR with the next sequence id and ends the session once it is written. */
void session_refuse(struct session *session, enum refusal refusal, const char *detail);

/* Logs, counts and ends a session whose client broke the protocol. */
void session_malformed(struct session *session, const char *why);

/* Where its next statement goes. */
struct routing_answer session_route(const struct session *session);

/* How the session's server reads SQL text. */
struct sql_mode session_sql_mode(const struct session *session);

/* Gives the server connection up; reset as in upstream_close(). Keeps the counters right. */
void session_drop_upstream(struct session *session, bool reset);

/* The connection in hand is not the session's any more. Keeps the counters right. */
void session_release_upstream(struct session *session);

/* What a KILL of it leads to: a server's thread; 0: none. */
void session_set_name(struct session *session, uint32_t thread_id);

/* Is the connection in hand one for reads, of those that need not be to the primary? */
bool session_is_reader(const struct session *session);

/* Adds it to the statements that wait, or takes it off. */
void session_set_held(struct session *session, bool held);
