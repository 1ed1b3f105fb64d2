#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "memory_store.h"
#include "raw/csv.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define BARE_CR                                                                                                        \
    "lines end in a carriage return alone: have them end in a line feed, or set raw.csv_row_delimiter to \"\\r\""

static const struct csv_dialect without_quotes = {',', "\n", false, true, "NULL", "UNCHANGED"};

/* --- writing. */

static struct value text_value(const char *text) { return (struct value){text, (uint32_t)strlen(text), VALUE_TEXT}; }

static void assert_written(const struct buf *out, const char *want, size_t len) {
    if (out->len != len || memcmp(out->data, want, len) != 0)
        fail_msg("written: %s, want: %s", out->data, want);
    assert_int_equal(out->data[out->len], 0);
}

static void test_write_text(void **state) {
    (void)state;
    static const struct {
        const char *text, *want, *want_unquoted;
    } cases[] = {
        {"plain", "plain", "plain"},
        {"", "\"\"", ""},
        {" ", " ", " "},
        {"  padded  ", "  padded  ", "  padded  "},
        {"a,b", "\"a,b\"", "a,b"},
        {",", "\",\"", ","},
        {"\"", "\"\"\"\"", "\""},
        {"say \"hi\"", "\"say \"\"hi\"\"\"", "say \"hi\""},
        {"\"\"", "\"\"\"\"\"\"", "\"\""},
        {"two\nlines", "\"two\nlines\"", "two\nlines"},
        {"a\r\nb", "\"a\r\nb\"", "a\r\nb"},
        {"\r", "\"\r\"", "\r"},
        {"NULL", "\"NULL\"", "NULL"},
        {"null", "null", "null"},
        {"NULLS", "NULLS", "NULLS"},
        {"UNCHANGED", "\"UNCHANGED\"", "UNCHANGED"},
        {"back\\slash", "back\\slash", "back\\slash"},
        {"l'\xC3\xB4t\xC3\xA9", "l'\xC3\xB4t\xC3\xA9", "l'\xC3\xB4t\xC3\xA9"},
        {"\xEF\xBB\xBFx", "\"\xEF\xBB\xBFx\"", "\xEF\xBB\xBFx"},
        {"1234567,", "\"1234567,\"", "1234567,"}, /* around the eight bytes of a word */
        {"12345678,", "\"12345678,\"", "12345678,"},
        {",2345678", "\",2345678\"", ",2345678"},
        {"123456789012345,", "\"123456789012345,\"", "123456789012345,"},
        {"12345678,0123456789", "\"12345678,0123456789\"", "12345678,0123456789"},
        {"123456789012345678", "123456789012345678", "123456789012345678"},
    };
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct value value = text_value(cases[i].text);
        char want[64];
        buf_clear(&out);
        csv_write_record(&out, &csv_dialect_default, 0, &value, 1, NULL);
        snprintf(want, sizeof want, "%s\n", cases[i].want);
        assert_written(&out, want, strlen(want));
        buf_clear(&out);
        csv_write_record(&out, &without_quotes, 0, &value, 1, NULL);
        snprintf(want, sizeof want, "%s\n", cases[i].want_unquoted);
        assert_written(&out, want, strlen(want));
    }
    buf_deinit(&out);
}

static void test_write_kinds(void **state) {
    (void)state;
    const struct value values[] = {
        {"-12.50", 6, VALUE_PLAIN},      {"x", 1, VALUE_TEXT},   {NULL, 0, VALUE_NULL}, {NULL, 0, VALUE_UNCHANGED},
        {"\x00\xFF\n,", 4, VALUE_BYTES}, {NULL, 0, VALUE_BYTES}, {"", 0, VALUE_TEXT},   {"a\0b", 3, VALUE_TEXT},
    };
    static const char want[] = "-12.50,x,NULL,UNCHANGED,00ff0a2c,\"\",\"\",a\0b\n";
    static const char want_others[] = "U;-12.50;x;;~;00ff0a2c;\"\";\"\";a\0b;2026-11-01 10:15:00.000001\r\n";
    static const char want_unquoted[] = "D,-12.50,x,NULL,UNCHANGED,00ff0a2c,,,a\0b\n";
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    csv_write_record(&out, &csv_dialect_default, 0, values, COUNT(values), NULL);
    assert_written(&out, want, sizeof want - 1);
    buf_clear(&out);
    static const struct csv_dialect others = {';', "\r\n", true, true, "", "~"};
    csv_write_record(&out, &others, 'U', values, COUNT(values), "2026-11-01 10:15:00.000001");
    assert_written(&out, want_others, sizeof want_others - 1);
    assert_true(csv_record_max_bytes(&others, values, COUNT(values), "2026-11-01 10:15:00.000001") >= out.len);
    buf_clear(&out);
    csv_write_record(&out, &without_quotes, 'D', values, COUNT(values), NULL);
    assert_written(&out, want_unquoted, sizeof want_unquoted - 1);
    buf_deinit(&out);
}

static void test_what_cannot_be_read_without_quotes(void **state) {
    (void)state;
    static const struct csv_dialect dialect = {';', "|\n", false, true, "NULL", "UNCHANGED"};
    static const struct {
        struct value value;
        bool readable;
    } cases[] = {
        {{"a\"b,c", 5, VALUE_TEXT}, true},     {{"NULLS", 5, VALUE_TEXT}, true}, {{NULL, 0, VALUE_NULL}, true},
        {{NULL, 0, VALUE_UNCHANGED}, true},    {{"\n", 1, VALUE_BYTES}, true},   {{"-1", 2, VALUE_PLAIN}, true},
        {{"", 0, VALUE_TEXT}, false},          {{"", 0, VALUE_BYTES}, false},    {{"NULL", 4, VALUE_TEXT}, false},
        {{"UNCHANGED", 9, VALUE_TEXT}, false}, {{"a;", 2, VALUE_TEXT}, false},   {{"a\n", 2, VALUE_TEXT}, false},
        {{"\r", 1, VALUE_TEXT}, false},        {{"a|b", 3, VALUE_TEXT}, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct value values[] = {text_value("x"), cases[i].value};
        assert_int_equal(csv_find_unreadable(&dialect, values, 2), cases[i].readable ? 2 : 1);
    }
}

static void test_write_in_other_dialects(void **state) {
    (void)state;
    const struct value values[] = {text_value("a,b"), text_value("a;b"), text_value("a|b"), text_value("\\N")};
    static const struct {
        struct csv_dialect dialect;
        const char *want;
    } cases[] = {
        {{';', "\n", true, true, "\\N", "?"}, "a,b;\"a;b\";a|b;\"\\N\"\n"},
        {{'|', "\r\n", true, true, "NULL", "?"}, "a,b|a;b|\"a|b\"|\\N\r\n"},
        {{',', "|", true, true, "NULL", "?"}, "\"a,b\",a;b,\"a|b\",\\N|"},
        {{'\t', "|\n", true, true, "NULL", "?"}, "a,b\ta;b\t\"a|b\"\t\\N|\n"},
    };
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    for (size_t i = 0; i < COUNT(cases); i++) {
        buf_clear(&out);
        csv_write_record(&out, &cases[i].dialect, 0, values, COUNT(values), NULL);
        assert_written(&out, cases[i].want, strlen(cases[i].want));
    }
    buf_deinit(&out);
}

static void test_write_header(void **state) {
    (void)state;
    static const char *const names[] = {"Op", "id", "a,b", "NULL", "say \"x\"", ""};
    static const char want[] = "Op,id,\"a,b\",\"NULL\",\"say \"\"x\"\"\",\"\"\nI,1\n";
    const struct value one = {"1", 1, VALUE_PLAIN};
    struct buf out;
    buf_init(&out, BUF_MAX_DEFAULT);
    csv_write_header(&out, &csv_dialect_default, names, COUNT(names));
    csv_write_record(&out, &csv_dialect_default, 'I', &one, 1, NULL);
    assert_written(&out, want, sizeof want - 1);
    buf_deinit(&out);
}

/* A large text takes the room that it needs, not twice its size. */
static void test_write_large_text(void **state) {
    (void)state;
    enum { BYTES = 100000 };
    char *text = malloc(BYTES);
    memset(text, 'x', BYTES);
    text[77] = '"';
    struct value value = {text, BYTES, VALUE_TEXT};
    struct buf out;
    buf_init(&out, BYTES + 64);
    assert_true(csv_record_max_bytes(&csv_dialect_default, &value, 1, NULL) <= BYTES + 16);
    csv_write_record(&out, &csv_dialect_default, 'I', &value, 1, NULL);
    assert_int_equal(out.len, 2 + 1 + BYTES + 1 + 1 + 1);
    assert_memory_equal(out.data + 2 + 1 + 77, "\"\"x", 3);
    buf_deinit(&out);
    free(text);
}

/* --- reading: what comes out is shown as text, one line a record: "<line>: [text] (null) (unchanged)". */

static void show_value(struct buf *out, const struct value *value) {
    switch ((enum value_kind)value->kind) {
    case VALUE_NULL:
        buf_append_text(out, " (null)");
        break;
    case VALUE_UNCHANGED:
        buf_append_text(out, " (unchanged)");
        break;
    case VALUE_TEXT:
        buf_append_text(out, " [");
        buf_append(out, value->data, value->len);
        buf_append_char(out, ']');
        break;
    default:
        fail_msg("a value of kind %d", value->kind);
    }
}

/* Reads the object "x.csv" to its end or to an error, which is shown as "! message". 0: the reader's own limits. */
static void show_object(struct memory_store *store, bool gzip, const struct csv_dialect *dialect, size_t block_bytes,
                        size_t record_max_bytes, struct buf *out) {
    struct csv_reader *reader;
    struct error err = {0};
    const struct value *values;
    size_t count = 1;
    buf_clear(out);
    buf_append_text(out, "");
    assert_true(csv_reader_open(&store->base, "x.csv", gzip, dialect, &reader, &err));
    if (block_bytes > 0)
        csv_reader_set_limits(reader, block_bytes, record_max_bytes);
    while (count > 0) {
        if (!csv_reader_next(reader, &values, &count, &err)) {
            buf_printf(out, "! %s", err.message);
            csv_reader_next(reader, &values, &count, NULL); /* of no use any more, but it does no harm */
            break;
        }
        if (count == 0)
            break;
        buf_printf(out, "%llu:", (unsigned long long)csv_reader_line(reader));
        for (size_t i = 0; i < count; i++)
            show_value(out, &values[i]);
        buf_append_char(out, '\n');
    }
    if (err.kind == ERROR_NONE) { /* the end stays the end */
        assert_true(csv_reader_next(reader, &values, &count, &err));
        assert_int_equal(count, 0);
    }
    csv_reader_close(reader);
}

enum { RECORD_MAX_BYTES = 4096, PACK_BYTES = 1 << 20 };

/* One gzip member with the data, behind `at` of out. */
static size_t pack(const char *data, size_t len, char *out, size_t at) {
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (unsigned char *)data;
    stream.avail_in = (unsigned)len;
    stream.next_out = (unsigned char *)out + at;
    stream.avail_out = (unsigned)(PACK_BYTES - at);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t end = PACK_BYTES - stream.avail_out;
    deflateEnd(&stream);
    return end;
}

static void assert_shown(const struct buf *got, const char *want, const char *input, const char *how, size_t a,
                         size_t b) {
    if (strcmp(got->data, want) != 0)
        fail_msg("%s (%s, %zu, %zu) gives\n%s\nwant\n%s", input, how, a, b, got->data, want);
}

/* The same records whatever the block, the pieces that the store gives, and the packing. */
static void check_reading(const char *data, size_t len, const struct csv_dialect *dialect, const char *want) {
    static const size_t blocks[] = {3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 64, 0}, pieces[] = {1, 3, 0};
    struct buf got;
    char *packed = malloc(PACK_BYTES);
    buf_init(&got, BUF_MAX_DEFAULT);
    for (size_t b = 0; b < COUNT(blocks); b++) {
        for (size_t p = 0; p < COUNT(pieces); p++) {
            struct memory_store store = memory_store_new();
            store.piece_bytes = pieces[p];
            memory_store_add(&store, "x.csv", data, len, 0);
            show_object(&store, false, dialect, blocks[b], RECORD_MAX_BYTES, &got);
            assert_shown(&got, want, data, "plain", blocks[b], pieces[p]);
            for (size_t cut = 0; cut <= len; cut += len / 2 + 1) { /* one member, or two */
                size_t packed_len = pack(data, cut, packed, 0);
                packed_len = pack(data + cut, len - cut, packed, packed_len);
                store.objects[0].data = packed;
                store.objects[0].len = packed_len;
                show_object(&store, true, dialect, blocks[b], RECORD_MAX_BYTES, &got);
                assert_shown(&got, want, data, "gzip", blocks[b], pieces[p]);
            }
        }
    }
    buf_deinit(&got);
    free(packed);
}

static void test_read(void **state) {
    (void)state;
    static const struct {
        const char *input, *want;
    } cases[] = {
        {"", ""},
        {"a", "1: [a]\n"},
        {"a\n", "1: [a]\n"},
        {"a,b\nc,d\n", "1: [a] [b]\n2: [c] [d]\n"},
        {"a,b\nc,d", "1: [a] [b]\n2: [c] [d]\n"},
        {"a,b\r\nc,d\r\n", "1: [a] [b]\n2: [c] [d]\n"},
        {"a,\r\n,b\r\n", "1: [a] (null)\n2: (null) [b]\n"},
        {"\xEF\xBB\xBFid,name\n1,x\n", "1: [id] [name]\n2: [1] [x]\n"},
        {"\xEF\xBB\xBF", ""},
        {"\xEF\xBB", "1: [\xEF\xBB]\n"},
        {"a\n\xEF\xBB\xBF\n", "1: [a]\n2: [\xEF\xBB\xBF]\n"},
        {"\n", ""},
        {"\n\n\r\n", ""},
        {"\n\na\n\n\r\nb\n\n", "3: [a]\n6: [b]\n"},
        {",\n", "1: (null) (null)\n"},
        {",", "1: (null) (null)\n"},
        {"a,", "1: [a] (null)\n"},
        {",,\n", "1: (null) (null) (null)\n"},
        {"NULL,\"NULL\",,\"\"\n", "1: (null) [NULL] (null) []\n"},
        {"NULL", "1: (null)\n"},
        {"NULLS,NUL,null\n", "1: [NULLS] [NUL] [null]\n"},
        {"UNCHANGED,\"UNCHANGED\"\n", "1: (unchanged) [UNCHANGED]\n"},
        {"\"a,b\",\"say \"\"hi\"\"\"\n", "1: [a,b] [say \"hi\"]\n"},
        {"\"\"\n", "1: []\n"},
        {"\"\"", "1: []\n"},
        {"\"\"\"\"\n", "1: [\"]\n"},
        {"\"\"\"\"\"\"\n", "1: [\"\"]\n"},
        {"\"\"\"a\",\"b\"\"\"\n", "1: [\"a] [b\"]\n"},
        {"\"two\nlines\",x\nnext\n", "1: [two\nlines] [x]\n3: [next]\n"},
        {"\"a\r\nb\"\r\nnext\r\n", "1: [a\r\nb]\n3: [next]\n"},
        {"\"\n\n\n\"\nnext", "1: [\n\n\n]\n5: [next]\n"},
        {"\"a\"\r\n\"b\"", "1: [a]\n2: [b]\n"},
        {"x\"y\"z,\"\"\n", "1: [x\"y\"z] []\n"}, /* a quote within a bare field is text */
        {"a \"b\",c\"\n", "1: [a \"b\"] [c\"]\n"},
        {" \"a\"\n", "1: [ \"a\"]\n"},
        {"  padded  , \n", "1: [  padded  ] [ ]\n"},
        {"back\\slash,d\tt,l'\xC3\xB4t\xC3\xA9\n", "1: [back\\slash] [d\tt] [l'\xC3\xB4t\xC3\xA9]\n"},
        {"a\na\rb,c\r,d\n", "1: [a]\n2: [a\rb] [c\r] [d]\n"}, /* a CR alone ends nothing */
        {"a field that is longer than a word,and another one that is longer\n",
         "1: [a field that is longer than a word] [and another one that is longer]\n"},
        {"I,1001,\"Blue, dotted\",12.50,2026-11-01 10:15:00\nD,1002,x,NULL,2026-11-01 10:15:00\n",
         "1: [I] [1001] [Blue, dotted] [12.50] [2026-11-01 10:15:00]\n2: [D] [1002] [x] (null) [2026-11-01 "
         "10:15:00]\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        check_reading(cases[i].input, strlen(cases[i].input), &csv_dialect_default, cases[i].want);
}

static void test_read_other_dialects(void **state) {
    (void)state;
    static const struct {
        struct csv_dialect dialect;
        const char *input, *want;
    } cases[] = {
        {{';', "\n", true, true, "\\N", "?"}, "a,b;\\N;?;\"?\"\n", "1: [a,b] (null) (unchanged) [?]\n"},
        {{'\t', "\r\n", true, true, "NULL", "?"}, "a\tb\r\nc\td\n", "1: [a] [b]\n2: [c] [d]\n"},
        /* without quoting, quotes are text */
        {{',', "\n", false, true, "NULL", "?"}, "\"a\",\"\nb\"\",NULL\n", "1: [\"a\"] [\"]\n2: [b\"\"] (null)\n"},
        {{',', "\n", false, true, "NULL", "?"}, "\"never closed\n", "1: [\"never closed]\n"},
        /* row delimiters of one and of several bytes, beside the usual ones */
        {{',', "|", true, true, "NULL", "?"}, "a,b|c,d|\"x|\"|", "1: [a] [b]\n2: [c] [d]\n3: [x|]\n"},
        {{',', "|", true, true, "NULL", "?"}, "a\nb\r\nc|d", "1: [a]\n2: [b]\n3: [c]\n4: [d]\n"},
        {{',', "||", true, true, "NULL", "?"}, "a|b,c||d|,|e||f", "1: [a|b] [c]\n2: [d|] [|e]\n3: [f]\n"},
        {{',', "||", true, true, "NULL", "?"}, "\"a\"||\"b\",c|", "1: [a]\n2: [b] [c|]\n"},
        {{',', "|\n", true, true, "NULL", "?"}, "a,b|\nc|,d|\n", "1: [a] [b]\n2: [c|] [d]\n"},
        {{',', "\r", true, true, "NULL", "?"}, "a\rb\r\"c\"\rd", "1: [a]\n2: [b]\n3: [c]\n4: [d]\n"},
        /* a carriage return within a text is text */
        {{',', "\n", true, true, "NULL", "?"}, "a\nb\rc\n\"d\re\"", "1: [a]\n2: [b\rc]\n3: [d\re]\n"},
        {{',', "\n", true, true, "NULL", "?"}, "\"a\rb\",c\n", "1: [a\rb] [c]\n"},
        {{',', "\n", true, false, "NULL", "?"}, "a\rb\nc\n", "1: [a\rb]\n2: [c]\n"},
        {{',', "\r", true, true, "NULL", "?"}, "a\r\nb\r\n\"c\"\r\nd", "1: [a]\n2: [b]\n3: [c]\n4: [d]\n"},
        {{',', ",\n", true, true, "NULL", "?"}, "a,b,\nc,d,\n", "1: [a] [b]\n2: [c] [d]\n"},
        /* an empty line is a NULL only where NULL is empty and there is one column */
        {{',', "\n", true, true, "", "?"}, "name\nx\n\n\"\"\n\n", "1: [name]\n2: [x]\n3: (null)\n4: []\n5: (null)\n"},
        {{',', "\n", true, true, "", "?"}, "\na,b\n\nx,\n", "2: [a] [b]\n4: [x] (null)\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        check_reading(cases[i].input, strlen(cases[i].input), &cases[i].dialect, cases[i].want);
}

/* The files of the conformance case on quotes and text: what is shown names every field as the case expects it. */
static void test_read_quotes_of_the_conformance_case(void **state) {
    (void)state;
    static const char input[] = "Op,lang,key,value\n"
                                "U,en,\"a,b\",\"quote \"\" and , comma\"\n"
                                "D,en,nl,\"two\nlines\"\n"
                                "U,en,null,\"\"\n"
                                "U,en,empty,NULL\n"
                                "D,en,\"NULL\",\"NULL\"\n"
                                "U,en,\"\",still here\n"
                                "I,en,crlf,\"a\r\nb\"\n";
    check_reading(input, sizeof input - 1, &csv_dialect_default,
                  "1: [Op] [lang] [key] [value]\n"
                  "2: [U] [en] [a,b] [quote \" and , comma]\n"
                  "3: [D] [en] [nl] [two\nlines]\n"
                  "5: [U] [en] [null] []\n"
                  "6: [U] [en] [empty] (null)\n"
                  "7: [D] [en] [NULL] [NULL]\n"
                  "8: [U] [en] [] [still here]\n"
                  "9: [I] [en] [crlf] [a\r\nb]\n");
}

static void test_read_errors(void **state) {
    (void)state;
    static const struct {
        const char *input, *want;
    } cases[] = {
        {"a,b\nU,2,\"never closed,2.00\n", "1: [a] [b]\n! x.csv: line 2: the quoted field 3 is never closed"},
        {"\"", "! x.csv: line 1: the quoted field 1 is never closed"},
        {"a\n\"b\nc\n\"\"\nd", "1: [a]\n! x.csv: line 2: the quoted field 1 is never closed"},
        {"\"x\n\",\"y\n", "! x.csv: line 2: the quoted field 2 is never closed"},
        {"a\nb,\"c\"d\ne\n", "1: [a]\n! x.csv: line 2: the quoted field 2 has text behind its closing quote"},
        {"\"a\" ,b\n", "! x.csv: line 1: the quoted field 1 has text behind its closing quote"},
        /* line ends of a carriage return alone: the whole file would be one record */
        {"id,name\r1,a\r2,b\r", "! x.csv: line 1: " BARE_CR},
        {"id,name\r1,a\r2,b", "! x.csv: line 1: " BARE_CR},
        {"id,name\r1,a\r\n", "! x.csv: line 1: " BARE_CR},
        {"id\r1\r2\r\n", "! x.csv: line 1: " BARE_CR},
        {"a\n1\r2\r", "1: [a]\n! x.csv: line 2: " BARE_CR},
        {"a\n\"1\r\",2\r3", "1: [a]\n! x.csv: line 2: " BARE_CR},
        {"\"a\"\rb\n", "! x.csv: line 1: the quoted field 1 has text behind its closing quote"},
        {"\"a\"\r", "! x.csv: line 1: the quoted field 1 has text behind its closing quote"},
        {"a\n\"x\ny\"z\n", "1: [a]\n! x.csv: line 2: the quoted field 1 has text behind its closing quote"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        check_reading(cases[i].input, strlen(cases[i].input), &csv_dialect_default, cases[i].want);
}

static void test_read_zero_bytes(void **state) {
    (void)state;
    static const char data[] = "a\0b,\"\0\"\n\0\n";
    struct memory_store store = memory_store_new();
    struct csv_reader *reader;
    const struct value *values;
    size_t count;
    memory_store_add(&store, "x.csv", data, sizeof data - 1, 0);
    assert_true(csv_reader_open(&store.base, "x.csv", false, &csv_dialect_default, &reader, NULL));
    assert_true(csv_reader_next(reader, &values, &count, NULL));
    assert_int_equal(count, 2);
    assert_int_equal(values[0].len, 3);
    assert_memory_equal(values[0].data, "a\0b", 3);
    assert_int_equal(values[1].len, 1);
    assert_memory_equal(values[1].data, "", 1);
    assert_true(csv_reader_next(reader, &values, &count, NULL));
    assert_int_equal(count, 1);
    assert_int_equal(values[0].len, 1);
    csv_reader_close(reader);
}

static void test_read_limits(void **state) {
    (void)state;
    struct memory_store store = memory_store_new();
    struct buf got;
    buf_init(&got, BUF_MAX_DEFAULT);
    memory_store_add(&store, "x.csv", "1234567890123456789\nx\n", 22, 0);
    show_object(&store, false, &csv_dialect_default, 4, 20, &got);
    assert_string_equal(got.data, "1: [1234567890123456789]\n2: [x]\n");
    show_object(&store, false, &csv_dialect_default, 4, 19, &got);
    assert_string_equal(got.data, "! x.csv: line 1: a record of more than 19 bytes; is a quote not closed?");

    enum { FIELDS_MAX = 65536 };
    char *commas = malloc(FIELDS_MAX);
    memset(commas, ',', FIELDS_MAX);
    store.objects[0].data = commas;
    store.objects[0].len = FIELDS_MAX - 1;
    show_object(&store, false, &csv_dialect_default, 0, 0, &got);
    assert_memory_equal(got.data, "1: (null) (null)", 16);
    store.objects[0].len = FIELDS_MAX;
    show_object(&store, false, &csv_dialect_default, 0, 0, &got);
    assert_string_equal(got.data, "! x.csv: line 1: a record of more than 65536 fields");
    free(commas);
    buf_deinit(&got);
}

/* What the store reports is passed on as it is. */
static void test_read_store_errors(void **state) {
    (void)state;
    struct memory_store store = memory_store_new();
    struct csv_reader *reader = NULL;
    struct error err = {0};
    const struct value *values;
    size_t count;
    assert_false(csv_reader_open(&store.base, "x.csv", false, &csv_dialect_default, &reader, &err));
    assert_int_equal(err.kind, ERROR_OUTSIDE);
    assert_null(reader);
    csv_reader_close(NULL);

    store.fail_after = 4;
    store.piece_bytes = 2;
    memory_store_add(&store, "x.csv", "a\nb\nc\nd\n", 8, 0);
    assert_true(csv_reader_open(&store.base, "x.csv", false, &csv_dialect_default, &reader, &err));
    csv_reader_set_limits(reader, 4, 64);
    for (int i = 0; i < 2; i++) {
        assert_true(csv_reader_next(reader, &values, &count, &err));
        assert_int_equal(count, 1);
    }
    assert_false(csv_reader_next(reader, &values, &count, &err));
    assert_int_equal(err.kind, ERROR_RETRY);
    csv_reader_close(reader);
}

/* A .gz that is cut off anywhere is an error, never a shorter table; likewise one with a byte changed, unless the byte
 * has no bearing on the text. */
static void test_read_damaged_gzip(void **state) {
    (void)state;
    static const char text[] = "id,name\n1,one\n2,\"two, or so\"\n3,three\n4,four\n5,five\n";
    char *packed = malloc(PACK_BYTES);
    size_t len = pack(text, sizeof text - 1, packed, 0);
    struct memory_store store = memory_store_new();
    struct buf whole, got;
    buf_init(&whole, BUF_MAX_DEFAULT);
    buf_init(&got, BUF_MAX_DEFAULT);
    memory_store_add(&store, "x.csv", packed, len, 0);
    show_object(&store, true, &csv_dialect_default, 0, 0, &whole);
    assert_null(strchr(whole.data, '!'));
    for (size_t cut = 0; cut < len; cut++) {
        store.objects[0].len = cut;
        show_object(&store, true, &csv_dialect_default, 16, RECORD_MAX_BYTES, &got);
        if (strstr(got.data, "! x.csv: line ") == NULL || strstr(got.data, "the gzip stream is cut off") == NULL)
            fail_msg("cut off at %zu: %s", cut, got.data);
    }
    store.objects[0].len = len;
    int damaged = 0;
    for (size_t at = 0; at < len; at++) {
        packed[at] ^= 0x20;
        show_object(&store, true, &csv_dialect_default, 16, RECORD_MAX_BYTES, &got);
        packed[at] ^= 0x20;
        damaged += strstr(got.data, "the gzip stream is ") != NULL;
        if (strchr(got.data, '!') == NULL && strcmp(got.data, whole.data) != 0)
            fail_msg("byte %zu changed: %s", at, got.data);
    }
    assert_true(damaged > (int)len / 2);
    packed[len] = 'x'; /* no second member */
    store.objects[0].len = len + 1;
    show_object(&store, true, &csv_dialect_default, 0, 0, &got);
    assert_non_null(strstr(got.data, "the gzip stream is "));
    buf_deinit(&got);
    buf_deinit(&whole);
    free(packed);
}

/* --- both: what is written is read back, whatever is in the values. */

static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 0x2545F4914F6CDD1DU;
}

enum { TRIP_RECORDS = 200, TRIP_VALUES = 5, TRIP_TEXT_BYTES = 24 };

struct trip {
    struct value values[TRIP_RECORDS][TRIP_VALUES];
    char texts[TRIP_RECORDS][TRIP_VALUES][TRIP_TEXT_BYTES];
};

static void fill_trip(struct trip *trip, const struct csv_dialect *dialect, uint64_t *seed) {
    static const char alphabet[] = "ab01,;|\"\"\n\r\t ~.\xC3\xA4";
    for (size_t r = 0; r < TRIP_RECORDS; r++) {
        for (size_t v = 0; v < TRIP_VALUES; v++) {
            uint64_t random = next_random(seed);
            char *text = trip->texts[r][v];
            size_t len = (random >> 8) % TRIP_TEXT_BYTES;
            for (size_t i = 0; i < len; i++)
                text[i] = alphabet[next_random(seed) % (sizeof alphabet - 1)];
            struct value value = {text, (uint32_t)len, VALUE_TEXT};
            if (random % 8 == 0)
                value = (struct value){.kind = VALUE_NULL};
            else if (random % 8 == 1)
                value = (struct value){.kind = VALUE_UNCHANGED};
            else if (random % 8 == 2)
                value = text_value(random % 16 == 2 ? dialect->null_word : dialect->unchanged_word);
            trip->values[r][v] = value;
        }
    }
}

static void check_trip(const struct trip *trip, const struct csv_dialect *dialect, size_t columns, size_t block_bytes) {
    struct buf out;
    struct memory_store store = memory_store_new();
    struct csv_reader *reader;
    struct error err;
    const struct value *values;
    size_t count;
    buf_init(&out, BUF_MAX_DEFAULT);
    const char *const names[] = {"c1", "c2", "c3", "c4", "c5"};
    csv_write_header(&out, dialect, names, columns);
    for (size_t r = 0; r < TRIP_RECORDS; r++)
        csv_write_record(&out, dialect, 0, trip->values[r], columns, NULL);
    memory_store_add(&store, "x.csv", out.data, out.len, 0);
    assert_true(csv_reader_open(&store.base, "x.csv", false, dialect, &reader, &err));
    csv_reader_set_limits(reader, block_bytes, RECORD_MAX_BYTES);
    assert_true(csv_reader_next(reader, &values, &count, &err));
    assert_int_equal(count, columns);
    for (size_t r = 0; r < TRIP_RECORDS; r++) {
        if (!csv_reader_next(reader, &values, &count, &err))
            fail_msg("%s", err.message);
        assert_int_equal(count, columns);
        for (size_t v = 0; v < columns; v++) {
            const struct value *want = &trip->values[r][v];
            assert_int_equal(values[v].kind, want->kind);
            if (want->kind == VALUE_TEXT) {
                assert_int_equal(values[v].len, want->len);
                assert_memory_equal(values[v].data, want->data, want->len);
            }
        }
    }
    assert_true(csv_reader_next(reader, &values, &count, &err));
    assert_int_equal(count, 0);
    csv_reader_close(reader);
    buf_deinit(&out);
}

static void test_round_trip_random(void **state) {
    (void)state;
    static const struct csv_dialect dialects[] = {
        {',', "\n", true, true, "NULL", "UNCHANGED"},
        {';', "\r\n", true, true, "\\N", "~"},
        {'\t', "|", true, true, "", "?"},
        {'|', "\r", true, true, "NULL", "~~"},
        {',', ";;", true, true, "NULL", "UNCHANGED"},
        {',', "|\n", true, true, "", "UNCHANGED"},
    };
    uint64_t seed = 6364136223846793005U;
    struct trip *trip = malloc(sizeof *trip);
    for (size_t d = 0; d < COUNT(dialects); d++) {
        for (size_t block = 3; block < 300; block = block * 2 + 1) {
            fill_trip(trip, &dialects[d], &seed);
            check_trip(trip, &dialects[d], TRIP_VALUES, block);
            check_trip(trip, &dialects[d], 1, block);
        }
    }
    free(trip);
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_text),
        cmocka_unit_test(test_write_kinds),
        cmocka_unit_test(test_what_cannot_be_read_without_quotes),
        cmocka_unit_test(test_write_in_other_dialects),
        cmocka_unit_test(test_write_header),
        cmocka_unit_test(test_write_large_text),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_read_other_dialects),
        cmocka_unit_test(test_read_quotes_of_the_conformance_case),
        cmocka_unit_test(test_read_errors),
        cmocka_unit_test(test_read_zero_bytes),
        cmocka_unit_test(test_read_limits),
        cmocka_unit_test(test_read_store_errors),
        cmocka_unit_test(test_read_damaged_gzip),
        cmocka_unit_test(test_round_trip_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
