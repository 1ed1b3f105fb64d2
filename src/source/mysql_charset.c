/* Text of the server's character sets -> UTF-8.
 *
 * The table of a set is asked from the server as one text: every well-formed code of the set, each followed by a line end,
 * converted to utf8mb4. A line that is one character (and not the '?' of a failed conversion) gives the code's character:
 *
 *   SELECT CONVERT(CONVERT(X'000a010a…' USING sjis) USING utf8mb4)
 *
 * Which codes are well-formed, from the server's strings/ctype-*.c; an ill-formed one would make MySQL answer NULL:
 *
 *   set               one byte        two bytes                                three, four bytes
 *   single-byte sets  00-ff
 *   big5              00-7f           a1-f9 40-7e,a1-fe
 *   sjis, cp932       00-7f,a1-df     81-9f,e0-fc 40-7e,80-fc
 *   euckr             00-7f           81-fe 41-5a,61-7a,81-fe
 *   gb2312            00-7f           a1-f7 a1-fe
 *   gbk               00-7f           81-fe 40-7e,80-fe
 *   ujis, eucjpms     00-7f           8e a1-df; a1-fe a1-fe                    8f a1-fe a1-fe
 *   gb18030           00-7f           81-fe 40-7e,80-fe                        81-fe 30-39 81-fe 30-39
 *
 * The four-byte codes of gb18030 from 90308130 on are the code points from U+10000 on, in order; only those below need the
 * table. */
#include "source/mysql_charset.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum charset_form { FORM_BINARY, FORM_ASCII, FORM_UTF8, FORM_UCS2, FORM_UTF16, FORM_UTF16LE, FORM_UTF32, FORM_TABLE };

struct range {
    uint8_t first, last; /* {0, 0} ends a list */
};
struct pair_range {
    struct range lead;
    struct range trail[4];
};

/* What a character set is, apart from its table. */
struct charset_kind {
    const char *name;
    enum charset_form form;
    uint8_t max_bytes;
    struct range single[3];
    struct pair_range pairs[4];
    bool has_8f;      /* three bytes: 8f a1-fe a1-fe */
    bool has_gb_four; /* four bytes, as gb18030 has them */
};

enum {
    EUC_SIDE = 0xfe - 0xa1 + 1,
    EUC_CODES = EUC_SIDE * EUC_SIDE,
    GB_BLOCK = 10 * 126 * 10,       /* four-byte codes of one lead byte */
    GB_CODES = 4 * GB_BLOCK,        /* of the leads 81 to 84: the BMP */
    GB_PLANES_FROM = 15 * GB_BLOCK, /* 90308130 = U+10000 */
    PAIR_CODES = 128 * 256,
};

#define SJIS_SINGLE                                                                                                    \
    {                                                                                                                  \
        {0x00, 0x7f}, { 0xa1, 0xdf }                                                                                   \
    }
#define SJIS_PAIRS                                                                                                     \
    {                                                                                                                  \
        {{0x81, 0x9f}, {{0x40, 0x7e}, {0x80, 0xfc}}}, {                                                                \
            {0xe0, 0xfc}, {                                                                                            \
                {0x40, 0x7e}, { 0x80, 0xfc }                                                                           \
            }                                                                                                          \
        }                                                                                                              \
    }
#define GBK_PAIRS                                                                                                      \
    {                                                                                                                  \
        {                                                                                                              \
            {0x81, 0xfe}, {                                                                                            \
                {0x40, 0x7e}, { 0x80, 0xfe }                                                                           \
            }                                                                                                          \
        }                                                                                                              \
    }
#define EUC_PAIRS                                                                                                      \
    {                                                                                                                  \
        {{0x8e, 0x8e}, {{0xa1, 0xdf}}}, {                                                                              \
            {0xa1, 0xfe}, {                                                                                            \
                { 0xa1, 0xfe }                                                                                         \
            }                                                                                                          \
        }                                                                                                              \
    }
#define SEVEN_BITS                                                                                                     \
    {                                                                                                                  \
        { 0x00, 0x7f }                                                                                                 \
    }

static const struct charset_kind KINDS[] = {
    {"binary", FORM_BINARY, 1, .single = {{0}}},
    {"ascii", FORM_ASCII, 1, .single = {{0}}},
    {"utf8mb3", FORM_UTF8, 3, .single = {{0}}},
    {"utf8", FORM_UTF8, 3, .single = {{0}}},
    {"utf8mb4", FORM_UTF8, 4, .single = {{0}}},
    {"ucs2", FORM_UCS2, 2, .single = {{0}}},
    {"utf16", FORM_UTF16, 4, .single = {{0}}},
    {"utf16le", FORM_UTF16LE, 4, .single = {{0}}},
    {"utf32", FORM_UTF32, 4, .single = {{0}}},
    {"big5", FORM_TABLE, 2, SEVEN_BITS, {{{0xa1, 0xf9}, {{0x40, 0x7e}, {0xa1, 0xfe}}}}},
    {"sjis", FORM_TABLE, 2, SJIS_SINGLE, SJIS_PAIRS},
    {"cp932", FORM_TABLE, 2, SJIS_SINGLE, SJIS_PAIRS},
    {"euckr", FORM_TABLE, 2, SEVEN_BITS, {{{0x81, 0xfe}, {{0x41, 0x5a}, {0x61, 0x7a}, {0x81, 0xfe}}}}},
    {"gb2312", FORM_TABLE, 2, SEVEN_BITS, {{{0xa1, 0xf7}, {{0xa1, 0xfe}}}}},
    {"gbk", FORM_TABLE, 2, SEVEN_BITS, GBK_PAIRS},
    {"ujis", FORM_TABLE, 3, SEVEN_BITS, EUC_PAIRS, .has_8f = true},
    {"eucjpms", FORM_TABLE, 3, SEVEN_BITS, EUC_PAIRS, .has_8f = true},
    {"gb18030", FORM_TABLE, 4, SEVEN_BITS, GBK_PAIRS, .has_gb_four = true},
};

static const struct charset_kind SINGLE_BYTE = {"", FORM_TABLE, 1, {{0x00, 0xff}}, .pairs = {{{0}}}};

/* Code points by code; 0 = no character (U+0000 is handled apart). */
struct charset_table {
    uint16_t single[256];
    uint16_t *pairs; /* PAIR_CODES, by lead - 0x80 and trail; NULL when the set has none */
    uint16_t *longs; /* EUC_CODES behind 8f, or GB_CODES; NULL when the set has none */
};

struct mysql_charset {
    char name[33];
    const struct charset_kind *kind;
    bool ready;
    bool ascii_first; /* the bytes 00 to 7f are ASCII */
    struct charset_table table;
};

struct mysql_charsets {
    struct mysql_charset **all;
    size_t count, capacity;
    const struct mysql_charset **by_collation;
    size_t collations;
};

/* --- the registry ---------------------------------------------------------------------------------------------------- */

static const struct charset_kind *find_kind(const char *name, unsigned max_bytes) {
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        if (strcmp(KINDS[i].name, name) == 0)
            return &KINDS[i];
    return max_bytes == 1 ? &SINGLE_BYTE : NULL;
}

static struct mysql_charset *find_by_name(const struct mysql_charsets *charsets, const char *name) {
    for (size_t i = 0; i < charsets->count; i++)
        if (strcmp(charsets->all[i]->name, name) == 0)
            return charsets->all[i];
    return NULL;
}

static struct mysql_charset *add_charset(struct mysql_charsets *charsets, const char *name,
                                         const struct charset_kind *kind) {
    struct mysql_charset *charset = mem_zalloc(sizeof *charset);
    memcpy(charset->name, name, strlen(name) + 1);
    charset->kind = kind;
    charset->ready = kind->form != FORM_TABLE;
    charsets->all = mem_grow(charsets->all, charsets->count, &charsets->capacity, sizeof(struct mysql_charset *));
    charsets->all[charsets->count++] = charset;
    return charset;
}

static void set_collation(struct mysql_charsets *charsets, uint16_t collation, const struct mysql_charset *charset) {
    if (collation >= charsets->collations) {
        size_t count = (size_t)collation + 256;
        charsets->by_collation = mem_realloc(charsets->by_collation, count * sizeof(struct mysql_charset *));
        for (size_t i = charsets->collations; i < count; i++)
            charsets->by_collation[i] = NULL;
        charsets->collations = count;
    }
    charsets->by_collation[collation] = charset;
}

bool mysql_charsets_add(struct mysql_charsets *charsets, uint16_t collation, const char *name, unsigned max_bytes,
                        struct error *err) {
    struct mysql_charset *charset = find_by_name(charsets, name);
    if (charset == NULL) {
        const struct charset_kind *kind = find_kind(name, max_bytes);
        if (kind == NULL || strlen(name) >= sizeof charset->name)
            return error_set(err, ERROR_OUTSIDE, "the character set %s (%u bytes a character) is not known to sluice",
                             name, max_bytes);
        charset = add_charset(charsets, name, kind);
    }
    set_collation(charsets, collation, charset);
    return true;
}

struct mysql_charsets *mysql_charsets_new(void) {
    static const struct {
        uint16_t collation;
        const char *name;
    } BUILT_IN[] = {{MYSQL_COLLATION_BINARY, "binary"},
                    {11, "ascii"},
                    {65, "ascii"},
                    {33, "utf8mb3"},
                    {83, "utf8mb3"},
                    {45, "utf8mb4"},
                    {46, "utf8mb4"},
                    {224, "utf8mb4"}};
    struct mysql_charsets *charsets = mem_zalloc(sizeof *charsets);
    for (size_t i = 0; i < sizeof BUILT_IN / sizeof BUILT_IN[0]; i++) {
        bool added = mysql_charsets_add(charsets, BUILT_IN[i].collation, BUILT_IN[i].name, 1, NULL);
        assert(added);
    }
    return charsets;
}

void mysql_charsets_free(struct mysql_charsets *charsets) {
    if (charsets == NULL)
        return;
    for (size_t i = 0; i < charsets->count; i++) {
        mem_free(charsets->all[i]->table.pairs);
        mem_free(charsets->all[i]->table.longs);
        mem_free(charsets->all[i]);
    }
    mem_free(charsets->all);
    mem_free(charsets->by_collation);
    mem_free(charsets);
}

const struct mysql_charset *mysql_charsets_find(const struct mysql_charsets *charsets, uint16_t collation) {
    return collation < charsets->collations ? charsets->by_collation[collation] : NULL;
}

const struct mysql_charset *mysql_charsets_find_name(const struct mysql_charsets *charsets, const char *name) {
    return find_by_name(charsets, name);
}

bool mysql_charset_is_ready(const struct mysql_charset *charset) { return charset->ready; }
const char *mysql_charset_name(const struct mysql_charset *charset) { return charset->name; }
bool mysql_charset_is_binary(const struct mysql_charset *charset) { return charset->kind->form == FORM_BINARY; }
unsigned mysql_charset_max_bytes(const struct mysql_charset *charset) { return charset->kind->max_bytes; }

/* --- the server's table ---------------------------------------------------------------------------------------------- */

/* Called for each well-formed code of a set, in the order of the table's text. False ends it. */
typedef bool (*code_fn)(void *context, const uint8_t *code, size_t len);

/* The byte 0a is the separator, and a line end in every set. */
static bool each_single(const struct charset_kind *kind, code_fn fn, void *context) {
    for (const struct range *r = kind->single; r->last != 0; r++)
        for (unsigned byte = r->first; byte <= r->last; byte++)
            if (byte != '\n' && !fn(context, &(uint8_t){(uint8_t)byte}, 1))
                return false;
    return true;
}

static bool each_pair(const struct charset_kind *kind, code_fn fn, void *context) {
    for (const struct pair_range *p = kind->pairs; p->lead.last != 0; p++)
        for (unsigned lead = p->lead.first; lead <= p->lead.last; lead++)
            for (const struct range *r = p->trail; r->last != 0; r++)
                for (unsigned trail = r->first; trail <= r->last; trail++)
                    if (!fn(context, (uint8_t[]){(uint8_t)lead, (uint8_t)trail}, 2))
                        return false;
    return true;
}

static bool each_8f(code_fn fn, void *context) {
    for (unsigned i = 0; i < EUC_CODES; i++)
        if (!fn(context, (uint8_t[]){0x8f, (uint8_t)(0xa1 + i / EUC_SIDE), (uint8_t)(0xa1 + i % EUC_SIDE)}, 3))
            return false;
    return true;
}

static bool each_gb_four(code_fn fn, void *context) {
    for (unsigned i = 0; i < GB_CODES; i++) {
        uint8_t code[4] = {(uint8_t)(0x81 + i / GB_BLOCK), (uint8_t)(0x30 + i / 1260 % 10),
                           (uint8_t)(0x81 + i / 10 % 126), (uint8_t)(0x30 + i % 10)};
        if (!fn(context, code, sizeof code))
            return false;
    }
    return true;
}

static bool each_code(const struct charset_kind *kind, code_fn fn, void *context) {
    return each_single(kind, fn, context) && each_pair(kind, fn, context) && (!kind->has_8f || each_8f(fn, context)) &&
           (!kind->has_gb_four || each_gb_four(fn, context));
}

static bool append_code(void *context, const uint8_t *code, size_t len) {
    buf_append_hex(context, code, len);
    buf_append(context, "0a", 2);
    return true;
}

void mysql_charset_table_query(const struct mysql_charset *charset, struct buf *out) {
    buf_append_text(out, "SELECT CONVERT(CONVERT(X'");
    each_code(charset->kind, append_code, out);
    buf_printf(out, "' USING %s) USING utf8mb4)", charset->name);
}

/* Index of a code in its part of the table. */
static size_t pair_index(const uint8_t *code) { return (size_t)(code[0] - 0x80) << 8 | code[1]; }
static size_t euc_index(const uint8_t *code) { return (size_t)(code[1] - 0xa1) * EUC_SIDE + (code[2] - 0xa1U); }
static size_t gb_index(const uint8_t *code) {
    return (((size_t)(code[0] - 0x81) * 10 + (code[1] - 0x30U)) * 126 + (code[2] - 0x81U)) * 10 + (code[3] - 0x30U);
}

/* One character of UTF-8 of at most three bytes (the BMP); 0 when it is none. */
static uint16_t bmp_character(struct slice text) {
    const uint8_t *p = (const uint8_t *)text.data;
    if (text.len == 1 && p[0] < 0x80)
        return p[0];
    if (text.len == 2 && (p[0] & 0xe0) == 0xc0)
        return (uint16_t)((p[0] & 0x1f) << 6 | (p[1] & 0x3f));
    if (text.len == 3 && (p[0] & 0xf0) == 0xe0)
        return (uint16_t)((p[0] & 0x0f) << 12 | (p[1] & 0x3f) << 6 | (p[2] & 0x3f));
    return 0;
}

struct table_reader {
    struct charset_table *table;
    struct slice left;
};

/* Takes the next line of the server's answer for this code. */
static bool read_code(void *context, const uint8_t *code, size_t len) {
    struct table_reader *reader = context;
    const char *end = memchr(reader->left.data, '\n', reader->left.len);
    if (end == NULL)
        return false;
    struct slice line = {reader->left.data, (size_t)(end - reader->left.data)};
    reader->left = (struct slice){end + 1, reader->left.len - line.len - 1};
    uint16_t character = bmp_character(line);
    if (character == '?' && !(len == 1 && code[0] == '?'))
        character = 0;
    if (len == 1)
        reader->table->single[code[0]] = character;
    else if (len == 2)
        reader->table->pairs[pair_index(code)] = character;
    else
        reader->table->longs[len == 3 ? euc_index(code) : gb_index(code)] = character;
    return true;
}

static bool is_ascii_first(const struct charset_table *table) {
    for (unsigned i = 0; i < 0x80; i++)
        if (table->single[i] != i)
            return false;
    return true;
}

bool mysql_charsets_set_table(struct mysql_charsets *charsets, const char *name, struct slice column,
                              struct error *err) {
    struct mysql_charset *charset = find_by_name(charsets, name);
    assert(charset != NULL && charset->kind->form == FORM_TABLE);
    if (charset->ready)
        return true;
    struct charset_table *table = &charset->table;
    if (charset->kind->pairs[0].lead.last != 0 && table->pairs == NULL)
        table->pairs = mem_zalloc(PAIR_CODES * sizeof *table->pairs);
    if ((charset->kind->has_8f || charset->kind->has_gb_four) && table->longs == NULL)
        table->longs = mem_zalloc((charset->kind->has_8f ? EUC_CODES : GB_CODES) * sizeof *table->longs);
    struct table_reader reader = {table, column};
    bool complete = column.data != NULL && each_code(charset->kind, read_code, &reader) && reader.left.len == 0;
    table->single['\n'] = '\n';
    if (!complete || table->single['a'] != 'a')
        return error_set(err, ERROR_OUTSIDE, "the server did not give the characters of its character set %s", name);
    charset->ascii_first = is_ascii_first(table);
    charset->ready = true;
    return true;
}

/* --- decoding -------------------------------------------------------------------------------------------------------- */

static size_t put_utf8(char *to, uint32_t c) {
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3f));
        to[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3f));
    to[2] = (char)(0x80 | (c >> 6 & 0x3f));
    to[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* How many bytes at p are ASCII. */
static size_t ascii_run(const uint8_t *p, size_t len) {
    size_t i = 0;
    for (uint64_t word; i + sizeof word <= len; i += sizeof word) {
        memcpy(&word, p + i, sizeof word);
        if ((word & 0x8080808080808080U) != 0)
            break;
    }
    while (i < len && p[i] < 0x80)
        i++;
    return i;
}

/* Bytes of the valid UTF-8 character at p (not ASCII); 0 when there is none. Overlong forms and surrogates are not valid. */
static size_t utf8_character(const uint8_t *p, size_t len) {
    uint8_t lead = p[0];
    size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || len < size)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((lead == 0xe0 && p[1] < 0xa0) || (lead == 0xed && p[1] > 0x9f) || (lead == 0xf0 && p[1] < 0x90) ||
        (lead == 0xf4 && p[1] > 0x8f))
        return 0;
    return size;
}

/* Length of the valid text at the beginning. */
static size_t valid_utf8(const uint8_t *p, size_t len) {
    size_t i = ascii_run(p, len);
    while (i < len) {
        size_t size = utf8_character(p + i, len - i);
        if (size == 0)
            return i;
        i += size;
        if (i < len && p[i] < 0x80)
            i += ascii_run(p + i, len - i);
    }
    return i;
}

/* The character at p by table, *size its bytes; 0 when there is none. p[0] is not 0. */
static uint32_t table_character(const struct mysql_charset *charset, const uint8_t *p, size_t len, size_t *size) {
    const struct charset_table *table = &charset->table;
    *size = 1;
    if (table->single[p[0]] != 0)
        return table->single[p[0]];
    if (table->pairs == NULL || p[0] < 0x80 || len < 2)
        return 0;
    *size = 2;
    if (table->pairs[pair_index(p)] != 0)
        return table->pairs[pair_index(p)];
    if (charset->kind->has_8f && p[0] == 0x8f && len >= 3 && p[1] >= 0xa1 && p[1] <= 0xfe && p[2] >= 0xa1 &&
        p[2] <= 0xfe) {
        *size = 3;
        return table->longs[euc_index(p)];
    }
    if (charset->kind->has_gb_four && len >= 4 && p[0] >= 0x81 && p[0] <= 0xfe && p[1] >= 0x30 && p[1] <= 0x39 &&
        p[2] >= 0x81 && p[2] <= 0xfe && p[3] >= 0x30 && p[3] <= 0x39) {
        *size = 4;
        size_t index = gb_index(p);
        if (index < GB_CODES)
            return table->longs[index];
        return index >= GB_PLANES_FROM && index - GB_PLANES_FROM < 0x100000
                   ? (uint32_t)(index - GB_PLANES_FROM) + 0x10000
                   : 0;
    }
    return 0;
}

/* A character of the Unicode sets; UINT32_MAX when there is none. */
static uint32_t unicode_character(enum charset_form form, const uint8_t *p, size_t len, size_t *size) {
    *size = form == FORM_UTF32 ? 4 : 2;
    if (len < *size)
        return UINT32_MAX;
    unsigned high = form == FORM_UTF16LE ? 1 : 0, low = 1 - high;
    uint32_t c = form == FORM_UTF32 ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]
                                    : (uint32_t)p[high] << 8 | p[low];
    bool surrogate = c >= 0xd800 && c <= 0xdfff;
    if (!surrogate)
        return c <= 0x10ffff ? c : UINT32_MAX;
    if (c >= 0xdc00 || (form != FORM_UTF16 && form != FORM_UTF16LE) || len < 4)
        return UINT32_MAX;
    uint32_t second = (uint32_t)p[2 + high] << 8 | p[2 + low];
    *size = 4;
    return second >= 0xdc00 && second <= 0xdfff ? 0x10000 + ((c & 0x3ff) << 10 | (second & 0x3ff)) : UINT32_MAX;
}

static bool bad_text(const struct mysql_charset *charset, struct slice text, size_t at, struct error *err) {
    char shown[2 * 4 + 1];
    size_t left = text.len - at < 4 ? text.len - at : 4;
    for (size_t i = 0; i < left; i++) {
        shown[2 * i] = "0123456789abcdef"[(uint8_t)text.data[at + i] >> 4];
        shown[2 * i + 1] = "0123456789abcdef"[(uint8_t)text.data[at + i] & 15];
    }
    shown[2 * left] = '\0';
    return error_set(err, ERROR_DATA, "byte %zu of the text (X'%s'…) is no character of the character set %s", at,
                     shown, charset->name);
}

static bool decode_by_character(const struct mysql_charset *charset, struct slice text, struct buf *scratch,
                                struct slice *out, struct error *err) {
    const uint8_t *p = (const uint8_t *)text.data;
    buf_clear(scratch);
    if (text.len > scratch->max_bytes / 3 - 4)
        return error_set(err, ERROR_DATA, "a text of %zu bytes is too long to be converted to UTF-8", text.len);
    char *to = buf_reserve(scratch, text.len * 3 + 4), *start = to; /* no byte becomes more than three */
    for (size_t i = 0, size; i < text.len; i += size) {
        if (charset->ascii_first && p[i] < 0x80) {
            size = ascii_run(p + i, text.len - i);
            memcpy(to, p + i, size);
            to += size;
            continue;
        }
        bool table = charset->kind->form == FORM_TABLE;
        uint32_t c = !table ? unicode_character(charset->kind->form, p + i, text.len - i, &size)
                            : table_character(charset, p + i, text.len - i, &size);
        if (c == UINT32_MAX || (table && c == 0 && p[i] != 0))
            return bad_text(charset, text, i, err);
        to += put_utf8(to, c);
    }
    *to = '\0';
    scratch->len = (size_t)(to - start);
    *out = (struct slice){scratch->data, scratch->len};
    return true;
}

bool mysql_charset_decode(const struct mysql_charset *charset, struct slice text, struct buf *scratch,
                          struct slice *out, struct error *err) {
    const uint8_t *p = (const uint8_t *)text.data;
    enum charset_form form = charset->kind->form;
    size_t valid;
    if (form == FORM_UTF8)
        valid = valid_utf8(p, text.len);
    else if (form == FORM_ASCII || charset->ascii_first)
        valid = ascii_run(p, text.len);
    else
        valid = 0;
    if (valid == text.len) {
        *out = text;
        return true;
    }
    if (form == FORM_UTF8 || form == FORM_ASCII)
        return bad_text(charset, text, valid, err);
    if (form == FORM_BINARY || !charset->ready)
        return error_set(err, ERROR_DATA, "the character set %s cannot be converted to UTF-8 (%s)", charset->name,
                         form == FORM_BINARY ? "it is bytes" : "its table was not asked from the server");
    return decode_by_character(charset, text, scratch, out, err);
}
