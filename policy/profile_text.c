#include "policy/profile_text.h"

#include <string.h>

#include "policy/product_text.h"
#include "protocol/statement.h"

enum { DAY = 86400, YEAR = 365 * DAY };

/* Stands for "no CRLs" until all of a profile is read. */
#define CRL_NEVER UINT64_MAX

static const struct mm_word purposes[] = {{"device", MM_PURPOSE_DEVICE},
    {"client", MM_PURPOSE_CLIENT}, {"server", MM_PURPOSE_SERVER},
    {"ca", MM_PURPOSE_CA}, {"code-signing", MM_PURPOSE_CODE_SIGNING},
    {"proof", MM_PURPOSE_PROOF}, {NULL, 0}};

static const struct mm_word key_types[] = {{"P-256", 1 << MM_KEY_P256},
    {"P-384", 1 << MM_KEY_P384}, {"RSA", 1 << MM_KEY_RSA},
    {"Ed25519", 1 << MM_KEY_ED25519}, {NULL, 0}};

static const struct mm_word usages[] = {
    {"digitalSignature", MM_KU_DIGITAL_SIGNATURE},
    {"keyAgreement", MM_KU_KEY_AGREEMENT}, {"keyCertSign", MM_KU_KEY_CERT_SIGN},
    {"cRLSign", MM_KU_CRL_SIGN}, {NULL, 0}};

static const struct mm_word ends[] = {{"forever", 0}, {NULL, 0}};
static const struct mm_word crls[] = {{"never", CRL_NEVER}, {NULL, 0}};

static const struct mm_word alternatives[] = {{"DNS:", MM_ALTERNATIVE_DNS},
    {"URI:", MM_ALTERNATIVE_URI}, {"HW:", MM_ALTERNATIVE_HARDWARE}, {NULL, 0}};

/* Names of OIDs; the dotted form may always be written instead. */
struct name {
	const char *name, *oid;
};
static const struct name extended_usages[] = {
    {"serverAuth", "1.3.6.1.5.5.7.3.1"}, {"clientAuth", "1.3.6.1.5.5.7.3.2"},
    {"codeSigning", "1.3.6.1.5.5.7.3.3"}, {NULL, NULL}};
static const struct name attributes[] = {{"CN", "2.5.4.3"},
    {"serialNumber", "2.5.4.5"}, {"C", "2.5.4.6"}, {"L", "2.5.4.7"},
    {"ST", "2.5.4.8"}, {"O", "2.5.4.10"}, {"OU", "2.5.4.11"},
    {"title", "2.5.4.12"}, {"dnQualifier", "2.5.4.46"},
    /* Matter 1.3 core specification 6.1.1 */
    {"VID", "1.3.6.1.4.1.37244.2.1"}, {"PID", "1.3.6.1.4.1.37244.2.2"},
    {NULL, NULL}};

/* The OID of a name, the text itself where it is an OID, else nothing. */
static struct mm_span
find_oid(const struct name *names, struct mm_span name)
{
	size_t digits = 0;

	for (; names->name != NULL; names++)
		if (mm_span_is(name, names->name))
			return mm_span_text(names->oid);
	while (digits < name.size &&
	       strchr("0123456789.", name.data[digits]) != NULL)
		digits++;
	return digits == name.size ? name : mm_span(NULL, 0);
}

static enum mm_error
keep(struct mm_arena *arena, struct mm_span from, struct mm_span *to)
{
	struct mm_span copy = mm_arena_copy(arena, from);

	if (copy.data == NULL)
		return mm_fail(MM_E_MEMORY, "memory is short");
	*to = copy;
	return MM_OK;
}

/* "clientAuth" or "1.3.6.1.5.5.7.3.2" */
static enum mm_error
read_purpose(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	struct mm_text_item *item = member;
	struct mm_span oid = find_oid(extended_usages, mm_span_text(value));

	(void)key;
	if (oid.size == 0)
		return mm_fail(MM_E_FORMAT,
		    "\"%s\" is none of serverAuth, clientAuth, codeSigning "
		    "and no OID",
		    value);
	return keep(arena, oid, &item->value);
}

/* "CN={device}" or "2.5.4.3={device}" */
static enum mm_error
read_subject(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	struct mm_subject_part *part = member;
	const char *equal = strchr(value, '=');
	struct mm_span oid = mm_span(NULL, 0);
	enum mm_error error;

	(void)key;
	if (equal != NULL)
		oid = find_oid(
		    attributes, mm_span(value, (size_t)(equal - value)));
	if (oid.size == 0)
		return mm_fail(MM_E_FORMAT,
		    "\"%s\" is not like \"CN={device}\"; before the = stands "
		    "CN, O, OU, C, ST, L, serialNumber, title, "
		    "dnQualifier, VID, PID or an OID",
		    value);
	error = keep(arena, oid, &part->oid);
	if (error == MM_OK && !mm_text_ok(mm_span_text(equal + 1)))
		error = mm_fail(MM_E_TEXT, "%s", mm_error_text(MM_E_TEXT));
	if (error == MM_OK)
		error = keep(arena, mm_span_text(equal + 1), &part->template);
	return error;
}

static enum mm_error
read_standard(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	mm_auto(buffer) known = {0};

	(void)key;
	(void)arena;
	mm_buffer_init(&known, 512);
	for (uint64_t i = 1; i < MM_STANDARDS; i++) {
		const char *name = mm_standard_name(i);

		if (strcmp(value, name) == 0) {
			*(uint64_t *)member = i;
			return MM_OK;
		}
		mm_buffer_printf(&known, "%s%s", i == 1 ? "" : ", ", name);
	}
	return mm_fail(MM_E_FORMAT, "\"%s\" is none of %.*s", value,
	    MM_SPAN(mm_buffer_span(&known)));
}

/* "HW:1.3.6.1.4.1.99999.1={device}": hwType before the =. */
static enum mm_error
split_hardware(
    struct mm_arena *arena, const char **value, struct mm_alternative *name)
{
	const char *equal = strchr(*value, '=');
	struct mm_span oid = mm_span(NULL, 0);

	if (equal != NULL)
		oid = mm_span(*value, (size_t)(equal - *value));
	if (oid.size == 0 ||
	    strspn(*value, "0123456789.") != (size_t)(equal - *value))
		return mm_fail(MM_E_FORMAT,
		    "a hardware module's name is like "
		    "\"HW:1.3.6.1.4.1.99999.1={device}\", with the OID of "
		    "its type");
	*value = equal + 1;
	return keep(arena, oid, &name->type);
}

/* "DNS:{device}.example.com" */
static enum mm_error
read_alternative(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	struct mm_alternative *name = member;
	const struct mm_word *word = key->words;
	enum mm_error error = MM_OK;

	while (word->word != NULL &&
	       strncmp(value, word->word, strlen(word->word)) != 0)
		word++;
	if (word->word == NULL)
		return mm_fail(MM_E_FORMAT,
		    "\"%s\" begins with none of DNS:, URI:, HW:", value);
	name->kind = word->value;
	value += strlen(word->word);
	if (name->kind == MM_ALTERNATIVE_HARDWARE)
		error = split_hardware(arena, &value, name);
	if (error == MM_OK && *value == '\0')
		error = mm_fail(
		    MM_E_FORMAT, "nothing stands after \"%s\"", word->word);
	if (error == MM_OK && !mm_text_ok(mm_span_text(value)))
		error = mm_fail(MM_E_TEXT, "%s", mm_error_text(MM_E_TEXT));
	return error == MM_OK
		   ? keep(arena, mm_span_text(value), &name->template)
		   : error;
}

/* Two members, of which the second alone would not tell 0 from nothing. */
static enum mm_error
read_path_length(const struct mm_grammar_key *key, const char *value,
    struct mm_arena *arena, void *member)
{
	struct mm_profile *profile = member;

	profile->path = true;
	return mm_read_number(key, value, arena, &profile->path_length);
}

#define AT(S, m) .offset = offsetof(struct S, m)
#define ITEMS(S, lo, hi) \
	.list = true, .item = sizeof(struct S), .min = lo, .max = hi
#define BITS(names) .list = true, .min = 1, .max = 8, .words = names

const struct mm_grammar_key mm_profile_text_keys[MM_PROFILE_TEXT_KEYS] = {
    {"purpose", mm_read_word, AT(mm_profile, purpose), .words = purposes},
    {"issuer", mm_read_text, AT(mm_profile, issuer), .min = 1,
	.max = MM_NAME_MAX},
    {"subject", read_subject, AT(mm_profile, subject),
	ITEMS(mm_subject_part, 1, 16)},
    {"validity", mm_read_duration, AT(mm_profile, validity), .min = 1,
	.max = (uint64_t)100 * YEAR, .words = ends},
    {"backdate", mm_read_duration, AT(mm_profile, backdate), .max = YEAR,
	.standard = ""},
    {"keys", mm_read_word, AT(mm_profile, keys), BITS(key_types)},
    {"key-usage", mm_read_word, AT(mm_profile, key_usage), BITS(usages)},
    {"purposes", read_purpose, AT(mm_profile, purposes),
	ITEMS(mm_text_item, 0, 16), .standard = ""},
    {"standard", read_standard, AT(mm_profile, standard), .standard = ""},
    {"names", read_alternative, AT(mm_profile, names),
	ITEMS(mm_alternative, 0, 8), .standard = "", .words = alternatives},
    {"crl", mm_read_duration, AT(mm_profile, crl), .min = 60, .max = YEAR,
	.standard = "", .words = crls},
    {"partitions", mm_read_signing, AT(mm_profile, partitions),
	ITEMS(mm_text_item, 0, 4), .standard = ""},
    {"plain-keys", mm_read_switch, AT(mm_profile, plain_keys), .standard = ""},
    /* Reads the whole struct. */
    {"path-length", read_path_length, .max = 8, .standard = ""}};

/* A key that signs CRLs signs them for a week, unless the text says else. */
void
mm_profile_texts_settle(const struct mm_list *profiles)
{
	struct mm_profile *profile = (void *)(uintptr_t)profiles->items;

	for (size_t i = 0; i < profiles->count; i++, profile++) {
		bool signs = profile->purpose == MM_PURPOSE_CA &&
			     (profile->key_usage & MM_KU_CRL_SIGN) != 0;

		if (profile->crl == CRL_NEVER)
			profile->crl = 0;
		else if (profile->crl == 0 && signs)
			profile->crl = 7 * DAY;
	}
}
