/* Character sets -> UTF-8. The tables that a server would give are made here: one byte a character by hand, GBK by the C
 * library, which has the servers' mapping of it (that of other sets differs). test_mysql_binlog has real servers' tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <iconv.h>
#include <string.h>

#include "base/mem.h"
#include "model/value.h"
#include "source/mysql_charset.h"

enum { COLLATION = 1000 };

static struct mysql_charsets *registry(const char *name, unsigned max_bytes) {
    struct mysql_charsets *charsets = mysql_charsets_new();
    struct error err;
    if (!mysql_charsets_add(charsets, COLLATION, name, max_bytes, &err))
        fail_msg("%s", err.message);
    return charsets;
}

/* The codes of the query for a set, X'…', as bytes: each ends with 0a. */
static struct buf query_codes(const struct mysql_charset *charset) {
    struct buf query, codes;
    buf_init(&query, BUF_MAX_DEFAULT);
    buf_init(&codes, BUF_MAX_DEFAULT);
    mysql_charset_table_query(charset, &query);
    const char *begin = strstr(query.data, "X'"), *end = begin != NULL ? strchr(begin + 2, '\'') : NULL;
    assert_non_null(end);
    size_t len = (size_t)(end - begin - 2);
    assert_true(value_parse_hex((struct slice){begin + 2, len}, (uint8_t *)buf_reserve(&codes, len / 2)));
    codes.len = len / 2;
    buf_deinit(&query);
    return codes;
}

static void expect_decoded(const struct mysql_charset *charset, const char *from, size_t len, const char *to) {
    struct slice out;
    struct error err;
    struct buf scratch;
    buf_init(&scratch, BUF_MAX_DEFAULT);
    char *exact = mem_alloc(len > 0 ? len : 1); /* so that the sanitizers see a read behind the end */
    memcpy(exact, from, len);
    bool ok = mysql_charset_decode(charset, (struct slice){exact, len}, &scratch, &out, &err);
    if (ok != (to != NULL))
        fail_msg("%s: %s", mysql_charset_name(charset), ok ? "taken" : err.message);
    if (ok) {
        assert_int_equal(out.len, strlen(to));
        assert_memory_equal(out.data, to, out.len);
    } else {
        assert_int_equal(err.kind, ERROR_DATA);
        assert_non_null(strstr(err.message, mysql_charset_name(charset)));
    }
    mem_free(exact);
    buf_deinit(&scratch);
}

static void test_computed(void **state) {
    (void)state;
    static const struct {
        const char *charset;
        const char *from;
        size_t len;
        const char *to; /* NULL: no text of the set */
    } CASES[] = {
        {"utf8mb4", "", 0, ""},
        {"utf8mb4", "abc", 3, "abc"},
        {"utf8mb4", "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z", 11, "aé€😀z"},
        {"utf8mb4", "0123456789abcdef\xc3", 17, NULL}, /* cut off */
        {"utf8mb4", "\xc0\x80", 2, NULL},              /* overlong */
        {"utf8mb4", "\xe0\x9f\xbf", 3, NULL},
        {"utf8mb4", "\xf0\x8f\xbf\xbf", 4, NULL},
        {"utf8mb4", "\xed\xa0\x80", 3, NULL},     /* a surrogate */
        {"utf8mb4", "\xf4\x90\x80\x80", 4, NULL}, /* behind U+10FFFF */
        {"utf8mb4", "\x80", 1, NULL},
        {"utf8mb4", "\xff", 1, NULL},
        {"utf8mb3", "\xe6\x97\xa5", 3, "日"},
        {"ascii", "plain\x7f", 6, "plain\x7f"},
        {"ascii", "caf\xe9", 4, NULL},
        {"ascii", "\xc3\xa9", 2, NULL},
        {"ucs2", "\x00\x61\x65\xe5", 4, "a日"},
        {"ucs2", "\x00", 1, NULL},
        {"ucs2", "\xd8\x3d\xde\x00", 4, NULL}, /* has no surrogates */
        {"utf16", "\x00\x61\xd8\x3d\xde\x00", 6, "a😀"},
        {"utf16", "\xd8\x3d", 2, NULL},
        {"utf16", "\xd8\x3d\x00\x61", 4, NULL},
        {"utf16", "\xde\x00\xd8\x3d", 4, NULL},
        {"utf16le", "\x61\x00\x3d\xd8\x00\xde", 6, "a😀"},
        {"utf32", "\x00\x01\xf6\x00\x00\x00\x00\x61", 8, "😀a"},
        {"utf32", "\x00\x11\x00\x00", 4, NULL},
        {"utf32", "\x00\x00\xd8\x00", 4, NULL},
        {"utf32", "\x00\x00\x61", 3, NULL},
        {"utf32", "\xff\xff\xff\xff", 4, NULL},
        {"binary", "x", 1, NULL},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct mysql_charsets *charsets = registry(CASES[i].charset, 4);
        const struct mysql_charset *charset = mysql_charsets_find(charsets, COLLATION);
        assert_true(mysql_charset_is_ready(charset));
        expect_decoded(charset, CASES[i].from, CASES[i].len, CASES[i].to);
        mysql_charsets_free(charsets);
    }
}

/* Pass-through means: no copy. */
static void test_no_copy(void **state) {
    (void)state;
    struct mysql_charsets *charsets = mysql_charsets_new();
    struct slice text = slice_of("no copy é"), out;
    struct buf scratch;
    buf_init(&scratch, BUF_MAX_DEFAULT);
    assert_true(mysql_charset_decode(mysql_charsets_find(charsets, 45), text, &scratch, &out, NULL));
    assert_ptr_equal(out.data, text.data);
    assert_null(scratch.data);
    mysql_charsets_free(charsets);
}

/* A server's answer for a set of one byte a character: `high` gives what 80 to ff are, from U+0080 on; e4 is none. */
static struct buf single_byte_answer(const char *for_a) {
    struct buf answer;
    buf_init(&answer, BUF_MAX_DEFAULT);
    for (unsigned i = 0; i < 256; i++) {
        if (i == '\n')
            continue;
        if (i == 'a')
            buf_append_text(&answer, for_a);
        else if (i == '[')
            buf_append_text(&answer, "Ä"); /* as in swe7 */
        else if (i < 0x80)
            buf_append_char(&answer, (char)i);
        else if (i == 0xe4)
            buf_append_char(&answer, '?');
        else
            buf_append_text(&answer, i == 0x80 ? "€" : "ÿ");
        buf_append_char(&answer, '\n');
    }
    return answer;
}

static void test_single_byte(void **state) {
    (void)state;
    struct mysql_charsets *charsets = registry("swe77", 1); /* a name not known here is fine with one byte */
    const struct mysql_charset *charset = mysql_charsets_find(charsets, COLLATION);
    struct buf answer = single_byte_answer("a"), wrong = single_byte_answer("?");
    struct error err;
    assert_false(mysql_charset_is_ready(charset));
    expect_decoded(charset, "x", 1, NULL); /* not asked yet */
    struct slice half = {answer.data, answer.len - 2};
    assert_false(mysql_charsets_set_table(charsets, "swe77", half, &err));
    assert_int_equal(err.kind, ERROR_OUTSIDE);
    assert_false(mysql_charsets_set_table(charsets, "swe77", (struct slice){NULL, 0}, &err));
    assert_false(mysql_charsets_set_table(charsets, "swe77", (struct slice){wrong.data, wrong.len}, &err));
    assert_true(mysql_charsets_set_table(charsets, "swe77", (struct slice){answer.data, answer.len}, &err));
    assert_true(mysql_charset_is_ready(charset));
    assert_int_equal(mysql_charset_max_bytes(charset), 1);
    expect_decoded(charset, "", 0, "");
    expect_decoded(charset, "a?b\n", 4, "a?b\n");
    expect_decoded(charset, "[\x80]", 3, "Ä€]");
    expect_decoded(charset, "ok\xe4", 3, NULL);
    struct buf nul;
    struct slice out;
    buf_init(&nul, BUF_MAX_DEFAULT);
    assert_true(mysql_charset_decode(charset, (struct slice){"\0[\0", 3}, &nul, &out, &err));
    assert_int_equal(out.len, 4);
    assert_memory_equal(out.data, "\0Ä\0", 4);
    buf_deinit(&nul);
    buf_deinit(&answer);
    buf_deinit(&wrong);
    mysql_charsets_free(charsets);
}

/* What a server would answer: each code converted; what is no character becomes '?'. */
static struct buf convert_codes(const struct buf *codes, const char *encoding) {
    iconv_t converter = iconv_open("UTF-8", encoding);
    assert_true(converter != (iconv_t)-1);
    struct buf answer;
    buf_init(&answer, BUF_MAX_DEFAULT);
    for (size_t at = 0; at < codes->len;) {
        const char *end = memchr(codes->data + at, '\n', codes->len - at);
        assert_non_null(end);
        size_t len = (size_t)(end - codes->data) - at, left = 8;
        char text[8], *in = codes->data + at, *out = text;
        size_t in_left = len;
        bool ok = iconv(converter, &in, &in_left, &out, &left) == 0 && in_left == 0;
        buf_append(&answer, ok ? text : "?", ok ? sizeof text - left : 1);
        buf_append_char(&answer, '\n');
        iconv(converter, NULL, NULL, NULL, NULL);
        at += len + 1;
    }
    iconv_close(converter);
    return answer;
}

static void test_two_bytes(void **state) {
    (void)state;
    struct mysql_charsets *charsets = registry("gbk", 2);
    const struct mysql_charset *charset = mysql_charsets_find(charsets, COLLATION);
    struct buf codes = query_codes(charset), answer = convert_codes(&codes, "GBK");
    assert_int_equal(codes.len, 127 * 2 + 126 * 190 * 3);
    assert_true(mysql_charsets_set_table(charsets, "gbk", (struct slice){answer.data, answer.len}, NULL));
    expect_decoded(charset, "\xd6\xd0\xce\xc4", 4, "中文");
    expect_decoded(charset, "plain \x81\x40 text that is long enough", 33, "plain 丂 text that is long enough");
    expect_decoded(charset, "\x81", 1, NULL);
    expect_decoded(charset, "\xd6\xd0\x81", 3, NULL);
    expect_decoded(charset, "\x81\x20", 2, NULL);
    expect_decoded(charset, "\xa2\xa0", 2, NULL); /* well-formed, and no character */
    expect_decoded(charset, "\xff\xff", 2, NULL);
    buf_deinit(&codes);
    buf_deinit(&answer);
    mysql_charsets_free(charsets);
}

static void test_four_bytes(void **state) {
    (void)state;
    struct mysql_charsets *charsets = registry("gb18030", 4);
    const struct mysql_charset *charset = mysql_charsets_find(charsets, COLLATION);
    struct buf codes = query_codes(charset), answer = convert_codes(&codes, "GB18030");
    assert_true(codes.len < 400000);
    assert_true(mysql_charsets_set_table(charsets, "gb18030", (struct slice){answer.data, answer.len}, NULL));
    expect_decoded(charset, "\xd6\xd0", 2, "中");
    expect_decoded(charset, "\x81\x30\x81\x30", 4, "\xc2\x80");
    expect_decoded(charset, "\x90\x30\x81\x30", 4, "\xf0\x90\x80\x80"); /* U+10000, not in the table */
    expect_decoded(charset, "\xe3\x32\x9a\x35", 4, "\xf4\x8f\xbf\xbf"); /* U+10FFFF */
    expect_decoded(charset, "\xe3\x32\x9a\x36", 4, NULL);
    expect_decoded(charset, "\x94\x39\xfc\x36", 4, "😀");
    expect_decoded(charset, "\x85\x30\x81\x30", 4, NULL); /* between the BMP and the rest */
    expect_decoded(charset, "\x90\x30\x81", 3, NULL);
    buf_deinit(&codes);
    buf_deinit(&answer);
    mysql_charsets_free(charsets);
}

static void test_three_bytes(void **state) {
    (void)state;
    struct mysql_charsets *charsets = registry("ujis", 3);
    const struct mysql_charset *charset = mysql_charsets_find(charsets, COLLATION);
    struct buf codes = query_codes(charset), answer = convert_codes(&codes, "EUC-JP");
    assert_true(mysql_charsets_set_table(charsets, "ujis", (struct slice){answer.data, answer.len}, NULL));
    expect_decoded(charset, "\xc6\xfc\xcb\xdc", 4, "日本");
    expect_decoded(charset, "\x8e\xb6", 2, "ｶ");
    expect_decoded(charset, "\x8f\xb0\xa1", 3, "丂");
    expect_decoded(charset, "\x8f\xb0", 2, NULL);
    expect_decoded(charset, "\x8f\xb0\x20", 3, NULL);
    buf_deinit(&codes);
    buf_deinit(&answer);
    mysql_charsets_free(charsets);
}

static void test_registry(void **state) {
    (void)state;
    struct mysql_charsets *charsets = mysql_charsets_new();
    struct error err;
    assert_null(mysql_charsets_find(charsets, 8));
    assert_null(mysql_charsets_find(charsets, 65535));
    assert_null(mysql_charsets_find_name(charsets, "latin1"));
    assert_true(mysql_charset_is_binary(mysql_charsets_find(charsets, MYSQL_COLLATION_BINARY)));
    assert_true(mysql_charsets_add(charsets, 8, "latin1", 1, &err));
    assert_true(mysql_charsets_add(charsets, 47, "latin1", 1, &err));
    assert_true(mysql_charsets_add(charsets, 65535, "utf8mb4", 4, &err));
    assert_ptr_equal(mysql_charsets_find(charsets, 8), mysql_charsets_find(charsets, 47));
    assert_ptr_equal(mysql_charsets_find(charsets, 8), mysql_charsets_find_name(charsets, "latin1"));
    assert_ptr_equal(mysql_charsets_find(charsets, 65535), mysql_charsets_find(charsets, 45));
    assert_int_equal(mysql_charset_max_bytes(mysql_charsets_find(charsets, 45)), 4);
    assert_false(mysql_charsets_add(charsets, 900, "newset", 3, &err));
    assert_int_equal(err.kind, ERROR_OUTSIDE);
    assert_null(mysql_charsets_find(charsets, 900));
    mysql_charsets_free(charsets);
    mysql_charsets_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_computed),  cmocka_unit_test(test_no_copy),    cmocka_unit_test(test_single_byte),
        cmocka_unit_test(test_two_bytes), cmocka_unit_test(test_four_bytes), cmocka_unit_test(test_three_bytes),
        cmocka_unit_test(test_registry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
