#include "sql/sql_lexer.h"

#include <string.h>

enum {
	NBSP = 0xa0,
	VERSION_DIGITS_MIN = 5, /* of a conditional comment: 50110, 100100 */
	VERSION_DIGITS_MAX = 6
};

void sql_lexer_init(struct sql_lexer *lexer, struct str text, struct sql_mode mode, bool leave_out)
{
	*lexer = (struct sql_lexer){ .text = text, .mode = mode, .leave_out = leave_out };
	if (mode.odd_charset) {
		for (size_t i = 0; i < text.len && !lexer->ambiguous; i++) {
			lexer->ambiguous = (unsigned char)text.ptr[i] > 127;
		}
	}
}

/* The byte at `at`; 0 behind the end. */
static unsigned char byte_at(const struct sql_lexer *lx, size_t at)
{
	return at < lx->text.len ? (unsigned char)lx->text.ptr[at] : 0;
}

static bool is_blank(unsigned char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex_digit(unsigned char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* A no-break space is a blank in latin1 and half a letter in utf8: handled apart. */
static bool is_name_byte(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
	       c == '$' || (c > 127 && c != NBSP);
}

static struct sql_token token_of(const struct sql_lexer *lx, enum sql_token_kind kind, size_t from)
{
	return (struct sql_token){ kind, str_slice(lx->text, from, lx->at), from, lx->at };
}

static struct sql_token invalid(struct sql_lexer *lx, size_t from)
{
	lx->at = lx->text.len;
	lx->in_conditional = false;
	lx->ambiguous = true;
	return token_of(lx, SQL_TOKEN_INVALID, from);
}

static void skip_line(struct sql_lexer *lx)
{
	while (lx->at < lx->text.len && lx->text.ptr[lx->at] != '\n') {
		lx->at++;
	}
}

/* Sets *ret to the offset of the next "*" "/" at or behind `from`; false when there is none. */
static bool find_comment_end(const struct sql_lexer *lx, size_t from, size_t *ret)
{
	for (size_t i = from; i + 1 < lx->text.len; i++) {
		if (lx->text.ptr[i] == '*' && lx->text.ptr[i + 1] == '/') {
			*ret = i;
			return true;
		}
	}
	return false;
}

/* Moves behind "!50110" or "M!100100" of a comment's opener, if that is what stands there. */
static bool accept_conditional(struct sql_lexer *lx)
{
	size_t at = lx->at + 2;

	if (byte_at(lx, at) == 'M' && byte_at(lx, at + 1) == '!') {
		at++;
	}
	if (byte_at(lx, at) != '!') {
		return false;
	}
	at++;
	size_t digits = 0;
	while (digits < VERSION_DIGITS_MAX && is_digit(byte_at(lx, at + digits))) {
		digits++;
	}
	lx->at = at + (digits >= VERSION_DIGITS_MIN ? digits : 0);
	return true;
}

static bool contains_any(struct str text, const char *bytes)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] && strchr(bytes, text.ptr[i])) {
			return true;
		}
	}
	return false;
}

/* "muster: WORD" makes a token; every other comment is nothing. */
static bool is_hint(const struct sql_lexer *lx, struct str body, size_t from, struct sql_token *ret)
{
	struct str word = str_trim(body);
	struct str prefix = STR("muster:");

	if (!str_equal_nocase(str_slice(word, 0, prefix.len), prefix)) {
		return false;
	}
	*ret = token_of(lx, SQL_TOKEN_HINT, from);
	ret->text = str_trim(str_slice(word, prefix.len, word.len));
	return true;
}

enum skipped { SKIPPED, SKIPPED_NOT_CLOSED, SKIPPED_TO_HINT };

/* At a comment's opener. A conditional one whose content is to be seen is entered. */
static enum skipped skip_comment(struct sql_lexer *lx, struct sql_token *ret_hint)
{
	size_t from = lx->at;
	size_t end;

	if (lx->in_conditional) {
		lx->ambiguous = true; /* servers differ in how they nest */
	}
	if (accept_conditional(lx)) {
		lx->conditionals++;
		if (!lx->leave_out) {
			lx->in_conditional = true;
			return SKIPPED;
		}
		if (!find_comment_end(lx, lx->at, &end)) {
			return SKIPPED_NOT_CLOSED;
		}
		if (str_contains(str_slice(lx->text, lx->at, end), STR("/*"))) {
			lx->ambiguous = true;
		}
		lx->at = end + 2;
		return SKIPPED;
	}
	if (!find_comment_end(lx, from + 2, &end)) {
		return SKIPPED_NOT_CLOSED;
	}
	struct str body = str_slice(lx->text, from + 2, end);
	if (body.len && body.ptr[0] == '+' && contains_any(body, "'\"`")) {
		lx->ambiguous = true; /* a quoted name in an optimizer hint may hide the end */
	}
	lx->at = end + 2;
	return is_hint(lx, body, from, ret_hint) ? SKIPPED_TO_HINT : SKIPPED;
}

/* Two minus signs open a comment only before a blank, a control character or the end. */
static bool is_dash_comment(struct sql_lexer *lx)
{
	if (byte_at(lx, lx->at) != '-' || byte_at(lx, lx->at + 1) != '-') {
		return false;
	}
	unsigned char c = byte_at(lx, lx->at + 2);
	if (c == NBSP) {
		lx->ambiguous = true;
	}
	return c <= ' ' || c == 127;
}

/* Moves to the next token's first byte. */
static enum skipped skip_space(struct sql_lexer *lx, struct sql_token *ret_hint)
{
	while (lx->at < lx->text.len) {
		unsigned char c = byte_at(lx, lx->at);
		unsigned char next = byte_at(lx, lx->at + 1);
		if (is_blank(c)) {
			lx->at++;
		} else if (c == NBSP) {
			lx->ambiguous = true;
			lx->at++;
		} else if (c == '#' || is_dash_comment(lx)) {
			skip_line(lx);
		} else if (c == '*' && next == '/' && lx->in_conditional) {
			lx->in_conditional = false;
			lx->at += 2;
		} else if (c == '/' && next == '*') {
			enum skipped skipped = skip_comment(lx, ret_hint);
			if (skipped != SKIPPED) {
				return skipped;
			}
		} else {
			return SKIPPED;
		}
	}
	return lx->in_conditional ? SKIPPED_NOT_CLOSED : SKIPPED;
}

/* Moves behind the closing quote of what opens at `at`; false when there is none. */
static bool skip_quoted(struct sql_lexer *lx, bool backslash_escapes)
{
	unsigned char quote = byte_at(lx, lx->at);

	for (size_t i = lx->at + 1; i < lx->text.len; i++) {
		unsigned char c = byte_at(lx, i);
		bool doubled = c == quote && byte_at(lx, i + 1) == quote;
		if (doubled || (c == '\\' && backslash_escapes)) {
			i++;
		} else if (c == quote) {
			lx->at = i + 1;
			return true;
		}
	}
	return false;
}

/* At a quote of any kind; `from` is where the token begins. */
static struct sql_token read_quoted(struct sql_lexer *lx, size_t from, enum sql_token_kind string)
{
	unsigned char quote = byte_at(lx, lx->at);
	bool name = quote == '`' || (quote == '"' && lx->mode.ansi_quotes);

	if (!skip_quoted(lx, !name && !lx->mode.no_backslash_escapes)) {
		return invalid(lx, from);
	}
	if (string == SQL_TOKEN_STRING && name) {
		string = SQL_TOKEN_QUOTED_NAME;
	}
	return token_of(lx, string, from);
}

/* x'..' and b'..': digits only, so no escape can matter. */
static struct sql_token read_digits_string(struct sql_lexer *lx, size_t from)
{
	size_t at = lx->at + 2;
	while (is_hex_digit(byte_at(lx, at))) {
		at++;
	}
	if (byte_at(lx, at) != '\'') {
		return invalid(lx, from);
	}
	lx->at = at + 1;
	return token_of(lx, SQL_TOKEN_STRING, from);
}

static struct sql_token read_word(struct sql_lexer *lx, size_t from)
{
	bool dollar = byte_at(lx, lx->at) == '$';

	lx->at++;
	while (is_name_byte(byte_at(lx, lx->at))) {
		/* $tag$ ... $tag$ is a string to the newest servers. */
		if (dollar && byte_at(lx, lx->at) == '$') {
			lx->ambiguous = true;
		}
		lx->at++;
	}
	return token_of(lx, SQL_TOKEN_WORD, from);
}

static size_t skip_digits(const struct sql_lexer *lx, size_t at)
{
	while (is_digit(byte_at(lx, at))) {
		at++;
	}
	return at;
}

/* Behind e or E at `at`: where the exponent ends, or `at` when there is none. */
static size_t skip_exponent(const struct sql_lexer *lx, size_t at)
{
	unsigned char c = byte_at(lx, at);
	if (c != 'e' && c != 'E') {
		return at;
	}
	size_t digits = at + 1;
	if (byte_at(lx, digits) == '+' || byte_at(lx, digits) == '-') {
		digits++;
	}
	return is_digit(byte_at(lx, digits)) ? skip_digits(lx, digits) : at;
}

/* Behind 0x41 or 0b01 at `at`; `at` when it is neither. */
static size_t skip_prefixed(const struct sql_lexer *lx, size_t at)
{
	unsigned char prefix = byte_at(lx, at + 1);
	size_t end = at + 2;

	if (byte_at(lx, at) != '0' || (prefix != 'x' && prefix != 'b')) {
		return at;
	}
	while (is_hex_digit(byte_at(lx, end)) &&
	       (prefix == 'x' || byte_at(lx, end) == '0' || byte_at(lx, end) == '1')) {
		end++;
	}
	return end > at + 2 && !is_name_byte(byte_at(lx, end)) ? end : at;
}

/* At a digit, or at a dot with a digit behind it. A name may begin with digits: 1a is a name, but
 * 1.5a is a number and a name. */
static struct sql_token read_number(struct sql_lexer *lx, size_t from)
{
	size_t at = skip_digits(lx, from);
	size_t end = skip_prefixed(lx, from);

	if (end > from) {
		lx->at = end;
		return token_of(lx, SQL_TOKEN_NUMBER, from);
	}
	if (byte_at(lx, at) == '.') {
		at = skip_digits(lx, at + 1);
		end = skip_exponent(lx, at);
	} else {
		end = skip_exponent(lx, at);
		if (end == at && is_name_byte(byte_at(lx, at))) {
			return read_word(lx, from);
		}
	}
	lx->at = end;
	return token_of(lx, SQL_TOKEN_NUMBER, from);
}

static struct sql_token read_variable(struct sql_lexer *lx, size_t from)
{
	enum sql_token_kind kind = SQL_TOKEN_USER_VARIABLE;

	lx->at++;
	if (byte_at(lx, lx->at) == '@') {
		kind = SQL_TOKEN_SYSTEM_VARIABLE;
		lx->at++;
	}
	unsigned char c = byte_at(lx, lx->at);
	if (c == '`' || (kind == SQL_TOKEN_USER_VARIABLE && (c == '\'' || c == '"'))) {
		return read_quoted(lx, from, kind);
	}
	while (is_name_byte(byte_at(lx, lx->at)) ||
	       (kind == SQL_TOKEN_USER_VARIABLE && byte_at(lx, lx->at) == '.')) {
		lx->at++;
	}
	return token_of(lx, kind, from);
}

static enum sql_token_kind kind_of_byte(unsigned char c)
{
	switch (c) {
	case '(':
		return SQL_TOKEN_OPEN;
	case ')':
		return SQL_TOKEN_CLOSE;
	case ',':
		return SQL_TOKEN_COMMA;
	case '.':
		return SQL_TOKEN_DOT;
	case ';':
		return SQL_TOKEN_SEMICOLON;
	case '?':
		return SQL_TOKEN_PARAMETER;
	default:
		return SQL_TOKEN_OPERATOR;
	}
}

static struct sql_token read_other(struct sql_lexer *lx, size_t from)
{
	unsigned char c = byte_at(lx, from);
	unsigned char next = byte_at(lx, from + 1);

	if (c == '\\' && next == 'N') { /* NULL */
		lx->at += 2;
		return token_of(lx, SQL_TOKEN_WORD, from);
	}
	if (c == '\\' || c < ' ' || c == 127) {
		return invalid(lx, from);
	}
	if (c == ':' && next == '=') {
		lx->at += 2;
		return token_of(lx, SQL_TOKEN_ASSIGN, from);
	}
	lx->at++;
	return token_of(lx, kind_of_byte(c), from);
}

struct sql_token sql_lexer_next(struct sql_lexer *lx)
{
	struct sql_token hint = { .kind = SQL_TOKEN_END };

	switch (skip_space(lx, &hint)) {
	case SKIPPED_TO_HINT:
		return hint;
	case SKIPPED_NOT_CLOSED:
		return invalid(lx, lx->at);
	case SKIPPED:
		break;
	}
	size_t from = lx->at;
	if (from == lx->text.len) {
		return token_of(lx, SQL_TOKEN_END, from);
	}
	unsigned char c = byte_at(lx, from);
	unsigned char next = byte_at(lx, from + 1);
	if (c == '\'' || c == '"' || c == '`') {
		return read_quoted(lx, from, SQL_TOKEN_STRING);
	}
	if (next == '\'' && (c == 'x' || c == 'X' || c == 'b' || c == 'B')) {
		return read_digits_string(lx, from);
	}
	if (next == '\'' && (c == 'n' || c == 'N')) {
		lx->at++;
		return read_quoted(lx, from, SQL_TOKEN_STRING);
	}
	if (is_digit(c) || (c == '.' && is_digit(next))) {
		return read_number(lx, from);
	}
	if (is_name_byte(c)) {
		return read_word(lx, from);
	}
	if (c == '@') {
		return read_variable(lx, from);
	}
	return read_other(lx, from);
}

bool sql_lexer_is_word(const struct sql_token *token, struct str keyword)
{
	return token->kind == SQL_TOKEN_WORD && str_equal_nocase(token->text, keyword);
}
