/* What would break for the user: a comment or a string that ends elsewhere than at the server hides a
 * statement from the proxy. */
#include "sql/sql_lexer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"

/* One letter a kind, in the enum's order. */
static const char letters[] = ".!wqsnuvp(),d;=oh";

static const struct {
	const char *text;
	struct sql_mode mode;
	bool leave_out;
	const char *kinds; /* the last: '.' end or '!' invalid */
	const char *words; /* the tokens' text, with '|' between */
	bool ambiguous;
} rows[] = {
	{ "", { 0 }, false, ".", "", false },
	{ " \t\r\n\v\f", { 0 }, false, ".", "", false },
	{ "SELECT 1", { 0 }, false, "wn.", "SELECT|1", false },
	{ "a.b.`c d`", { 0 }, false, "wdwdq.", "a|.|b|.|`c d`", false },
	{ "a->>'$.b'", { 0 }, false, "wooos.", "a|-|>|>|'$.b'", false },
	{ "f(?,@x:=@@y.z);", { 0 }, false, "w(p,u=vdw);.", "f|(|?|,|@x|:=|@@y|.|z|)|;", false },
	{ "@'a b'@`c`@\"d\"@", { 0 }, false, "uuuu.", "@'a b'|@`c`|@\"d\"|@", false },
	{ "@a.b$c-1", { 0 }, false, "uon.", "@a.b$c|-|1", false },
	{ "'a''b' 'c\\'d' \"e\"\"f\"", { 0 }, false, "sss.", "'a''b'|'c\\'d'|\"e\"\"f\"", false },
	{ "\"e\\\" \"", { .ansi_quotes = true }, false, "q!", "\"e\\\"|\"", true },
	{ "'c\\' d", { .no_backslash_escapes = true }, false, "sw.", "'c\\'|d", false },
	{ "`a``b`", { 0 }, false, "q.", "`a``b`", false },
	{ "`a\\`b", { 0 }, false, "qw.", "`a\\`|b", false },
	{ "N'a' n'b' x'4a' B'01' _latin1'c'",
	  { 0 },
	  false,
	  "ssssws.",
	  "N'a'|n'b'|x'4a'|B'01'|_latin1|'c'",
	  false },
	{ "x '4a'", { 0 }, false, "ws.", "x|'4a'", false },
	{ "x'4'' '", { 0 }, false, "ss.", "x'4'|' '", false },
	{ "1 1.5 1. .5 1e5 1e+5 1.5e-5 0x1F 0b01",
	  { 0 },
	  false,
	  "nnnnnnnnn.",
	  "1|1.5|1.|.5|1e5|1e+5|1.5e-5|0x1F|0b01",
	  false },
	{ "1a 1e 1e5a 0xG 0b12 0x", { 0 }, false, "wwnwwww.", "1a|1e|1e5|a|0xG|0b12|0x", false },
	{ "1.5a 1.a", { 0 }, false, "nwnw.", "1.5|a|1.|a", false },
	{ "\\N'a'", { 0 }, false, "ws.", "\\N|'a'", false },
	{ "\\n", { 0 }, false, "!", "\\n", true },
	{ "a--b\n--\tc\nd--", { 0 }, false, "wooww.", "a|-|-|b|d", false },
	{ "a -- b", { 0 }, false, "w.", "a", false },
	{ "a--", { 0 }, false, "w.", "a", false },
	{ "a#b\nc", { 0 }, false, "ww.", "a|c", false },
	{ "a/*b*/c/**/d", { 0 }, false, "www.", "a|c|d", false },
	{ "a/*/b*/c", { 0 }, false, "ww.", "a|c", false },
	{ "a/* /* */b", { 0 }, false, "ww.", "a|b", false },
	{ "a*/b", { 0 }, false, "woow.", "a|*|/|b", false },
	{ "a /* '*/ b '", { 0 }, false, "ww!", "a|b|'", true },
	{ "a/*", { 0 }, false, "w!", "a|/*", true },
	{ "a/*!50110b*/c", { 0 }, false, "www.", "a|b|c", false },
	{ "a/*!50110b*/c", { 0 }, true, "ww.", "a|c", false },
	{ "a/*!b*/c", { 0 }, false, "www.", "a|b|c", false },
	{ "a/*!123 b*/c", { 0 }, false, "wnww.", "a|123|b|c", false },
	{ "a/*M!100100 b*/c", { 0 }, false, "www.", "a|b|c", false },
	{ "a/*M!100100 b*/c", { 0 }, true, "ww.", "a|c", false },
	{ "a/*m! b*/c", { 0 }, false, "ww.", "a|c", false },
	{ "a/* !b*/c", { 0 }, false, "ww.", "a|c", false },
	{ "a/*!'*/'*/c", { 0 }, false, "wsw.", "a|'*/'|c", false },
	{ "a/*!'*/'*/c", { 0 }, true, "w!", "a|'*/c", true },
	{ "a/*! -- */\nb*/c", { 0 }, false, "www.", "a|b|c", false },
	{ "a/*! -- */\nb*/c", { 0 }, true, "wwoow.", "a|b|*|/|c", false },
	{ "a/*!b/*c*/d*/e", { 0 }, false, "wwww.", "a|b|d|e", true },
	{ "a/*!b/*c*/d*/e", { 0 }, true, "wwoow.", "a|d|*|/|e", true },
	{ "a/*!b", { 0 }, false, "ww!", "a|b|", true },
	{ "a/*!b", { 0 }, true, "w!", "a|b", true },
	{ "a/*+ b */c", { 0 }, false, "ww.", "a|c", false },
	{ "a/*+ `b` */c", { 0 }, false, "ww.", "a|c", true },
	{ "a/* muster: x y */b", { 0 }, false, "whw.", "a|x y|b", false },
	{ "/*MUSTER:*/", { 0 }, false, "h.", "", false },
	{ "/* musters: x */", { 0 }, false, ".", "", false },
	{ "a\xa0"
	  "b",
	  { 0 },
	  false,
	  "ww.",
	  "a|b",
	  true },
	{ "\xc3\xa9t\xc3\xa9", { 0 }, false, "w.", "\xc3\xa9t\xc3\xa9", false },
	{ "'\xa0'", { 0 }, false, "s.", "'\xa0'", false },
	{ "'\xa0'", { .odd_charset = true }, false, "s.", "'\xa0'", true },
	{ "$a a$b$ $$ $a$", { 0 }, false, "wwww.", "$a|a$b$|$$|$a$", true },
	{ "$a a$b$", { 0 }, false, "ww.", "$a|a$b$", false },
	{ "{fn x}", { 0 }, false, "owwo.", "{|fn|x|}", false },
	{ "a\x01", { 0 }, false, "w!", "a|\x01", true },
};

static void test_tokens(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char memory[256];
		struct buf kinds;
		struct buf words;
		buf_init_fixed(&kinds, memory, sizeof(memory) / 2);
		buf_init_fixed(&words, memory + sizeof(memory) / 2, sizeof(memory) / 2);
		struct sql_lexer lexer;
		struct sql_token token;
		sql_lexer_init(&lexer, str_of(rows[i].text), rows[i].mode, rows[i].leave_out);
		do {
			token = sql_lexer_next(&lexer);
			buf_add_char(&kinds, letters[token.kind]);
			if (token.kind != SQL_TOKEN_END) {
				buf_add_text(&words, kinds.len > 1 ? "|" : "");
				buf_add_str(&words, token.text);
			}
		} while (token.kind != SQL_TOKEN_END && token.kind != SQL_TOKEN_INVALID);
		assert_int_equal(buf_finish(&kinds), ERR_OK);
		assert_int_equal(buf_finish(&words), ERR_OK);
		assert_int_equal(sql_lexer_next(&lexer).kind, SQL_TOKEN_END);
		if (lexer.ambiguous != rows[i].ambiguous) {
			print_error("row %zu '%s'\n", i, rows[i].text);
		}
		assert_string_equal(buf_text(&words), rows[i].words);
		assert_string_equal(buf_text(&kinds), rows[i].kinds);
		assert_true(lexer.ambiguous == rows[i].ambiguous);
	}
}

static void test_is_word(void **state)
{
	(void)state;
	struct sql_lexer lexer;
	sql_lexer_init(&lexer, STR("select `SELECT`"), (struct sql_mode){ 0 }, false);
	struct sql_token word = sql_lexer_next(&lexer);
	struct sql_token quoted = sql_lexer_next(&lexer);
	assert_true(sql_lexer_is_word(&word, STR("SELECT")));
	assert_false(sql_lexer_is_word(&word, STR("SELECTS")));
	assert_false(sql_lexer_is_word(&quoted, STR("`SELECT`")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_is_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
