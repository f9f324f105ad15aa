/*
 * A ceremony's file: what people may write, and what each stage refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log/entry.h"
#include "policy/ceremony.h"
#include "text_file.h"

static const char good[] = "origin = \"mint.example.com/log\"\n"
			   "policy = \"policy.conf\"\n"
			   "settings = \"appliance.conf\"\n"
			   "notes = {\"one\", \"two\"}\n"
			   "key \"root\" { use = root-ca }\n"
			   "key \"device-ca\" { use = device-ca }\n"
			   "key \"codesign\" { use = code-signing }\n"
			   "certificate \"root\" {\n"
			   "\tissuer = root\n"
			   "\tprofile = root-ca\n"
			   "\tsubject = \"Root\"\n"
			   "}\n"
			   "certificate \"device-ca\" {\n"
			   "\tissuer = root\n"
			   "\tprofile = device-ca\n"
			   "\tsubject = \"Device CA\"\n"
			   "}\n"
			   "request \"codesign\" {\n"
			   "\tprofile = codesign\n"
			   "\tsubject = \"Code\"\n"
			   "}\n"
			   "principal \"ada\" {\n"
			   "\trole = officer\n"
			   "\tcsr = \"ada.csr\"\n"
			   "}\n"
			   "principal \"s\" {\n"
			   "\trole = station\n"
			   "\tcsr = \"s.csr\"\n"
			   "\tprofiles = {device}\n"
			   "}\n";

static struct mm_arena arena;
static struct mm_ceremony_text text;

static enum mm_error
read_text(const char *written, enum mm_ceremony_stage stage)
{
	mm_arena_clear(&arena);
	mm_arena_init(&arena, 4 << 20);
	text_file_write(written);
	return mm_ceremony_text_read(text_path, stage, &arena, &text);
}

/* `good` with its first `what` replaced is refused, and why has `word`. */
static void
refuse(const char *what, const char *with, const char *word)
{
	char *written = text_replace(good, what, with);

	assert_int_equal(read_text(written, MM_CEREMONY_BIRTH), MM_E_FORMAT);
	assert_non_null(strstr(mm_why(MM_E_FORMAT), text_path));
	if (strstr(mm_why(MM_E_FORMAT), word) == NULL)
		fail_msg("%s does not say %s", mm_why(MM_E_FORMAT), word);
	free(written);
}

static void
what_is_written_is_read(void **state)
{
	const struct mm_ceremony_certificate *second;
	const struct mm_ceremony_principal *station;

	(void)state;
	assert_int_equal(read_text(good, MM_CEREMONY_BIRTH), MM_OK);
	assert_true(mm_span_is(text.origin, "mint.example.com/log"));
	assert_true(mm_span_is(text.notes, "one\ntwo\n"));
	assert_int_equal(text.expires, 7 * 86400);
	assert_int_equal(text.keys.count, 3);
	assert_int_equal(mm_list_at(text.keys, struct mm_ceremony_key, 1)->use,
	    MM_KEY_DEVICE_CA);
	second =
	    mm_list_at(text.certificates, struct mm_ceremony_certificate, 1);
	assert_true(mm_span_is(second->key, "device-ca"));
	assert_true(mm_span_is(second->issuer, "root"));
	assert_true(mm_span_is(second->subject, "Device CA"));
	assert_true(mm_span_is(
	    mm_list_at(text.requests, struct mm_ceremony_request, 0)->key,
	    "codesign"));
	station = mm_list_at(text.principals, struct mm_ceremony_principal, 1);
	assert_int_equal(station->role, MM_ROLE_STATION);
	assert_int_equal(station->profiles.count, 1);
}

/* --- kinds of keys --- */

static const struct mm_ceremony_key *
key_of(const char *written, size_t i)
{
	char *all = text_replace(
	    good, "request \"codesign\" {", "request \"device-ca\" {");
	char *other = text_replace(all, "use = code-signing", written);

	/* No code-signing key has a request here. */
	free(all);
	all = text_replace(other, "profile = codesign", "profile = device-ca");
	free(other);
	if (read_text(all, MM_CEREMONY_BIRTH) != MM_OK)
		fail_msg("%s", mm_why(MM_E_FORMAT));
	free(all);
	return mm_list_at(text.keys, struct mm_ceremony_key, i);
}

static void
a_key_is_p256_or_what_it_says(void **state)
{
	(void)state;
	assert_int_equal(key_of("use = code-signing", 2)->algorithm, 0);
	assert_int_equal(mm_ceremony_algorithm(key_of("use = code-signing", 2)),
	    MM_ALGORITHM_P256);
	assert_int_equal(
	    key_of("use = code-signing\nalgorithm = P-256", 2)->algorithm, 0);
	assert_int_equal(
	    key_of("use = code-signing\nalgorithm = RSA-3072", 2)->algorithm,
	    MM_ALGORITHM_RSA3072);
	assert_int_equal(mm_ceremony_algorithm(key_of(
			     "use = code-signing\nalgorithm = RSA-3072", 2)),
	    MM_ALGORITHM_RSA3072);
	refuse("use = code-signing", "use = code-signing\nalgorithm = RSA-2048",
	    "P-256, RSA-3072");
}

static void
only_code_is_signed_by_rsa(void **state)
{
	(void)state;
	refuse("use = root-ca", "use = root-ca\nalgorithm = RSA-3072", ":6: ");
	refuse("use = root-ca", "use = root-ca\nalgorithm = RSA-3072",
	    "only a key for code signing may be RSA-3072");
	refuse("use = device-ca", "use = device-ca\nalgorithm = RSA-3072",
	    "\"device-ca\"");
	/* Its CSR would want its own signature. */
	refuse("use = code-signing", "use = code-signing\nalgorithm = RSA-3072",
	    "neither certificates nor CSRs");
}

/* What an officer is handed, and what the token is asked for. */
static void
a_claim_is_held_against_the_same(void **state)
{
	const struct mm_span name = mm_span_text("sb"),
			     root = mm_span_text("r");
	struct mm_ceremony_key keys[] = {{.name = root, .use = MM_KEY_ROOT_CA},
	    {.name = name,
		.use = MM_KEY_CODE_SIGNING,
		.algorithm = MM_ALGORITHM_RSA3072}};
	struct mm_ceremony_certificate certificate = {
	    .key = name, .issuer = root};
	struct mm_ceremony_request request = {.key = root};
	struct mm_ceremony_claim claim = {.keys = {keys, 2},
	    .certificates = {&certificate, 1},
	    .requests = {&request, 1}};

	(void)state;
	assert_int_equal(mm_ceremony_claim_check(&claim), MM_OK);
	certificate.issuer = name;
	assert_int_equal(mm_ceremony_claim_check(&claim), MM_E_KEY_TYPE);
	certificate.issuer = root;
	request.key = name;
	assert_int_equal(mm_ceremony_claim_check(&claim), MM_E_KEY_TYPE);
	request.key = root;
	keys[0].algorithm = MM_ALGORITHM_RSA3072;
	assert_int_equal(mm_ceremony_claim_check(&claim), MM_E_KEY_TYPE);
	assert_int_equal(mm_ceremony_keys_check(&claim.keys), MM_E_KEY_TYPE);
	keys[0].algorithm = 0;
	assert_int_equal(mm_ceremony_keys_check(&claim.keys), MM_OK);
}

/* A key of Secure Boot needs none. */
static void
a_code_signing_key_may_have_no_certificate(void **state)
{
	char *written = text_replace(good,
	    "request \"codesign\" {\n"
	    "\tprofile = codesign\n"
	    "\tsubject = \"Code\"\n"
	    "}\n",
	    "");

	(void)state;
	assert_int_equal(read_text(written, MM_CEREMONY_BIRTH), MM_OK);
	assert_int_equal(text.requests.count, 0);
	free(written);
}

static void
a_beginning_is_whole(void **state)
{
	(void)state;
	refuse("origin = \"mint.example.com/log\"\n", "", "origin");
	refuse("policy = \"policy.conf\"\n", "", "policy");
	refuse("settings = \"appliance.conf\"\n", "", "settings");
	refuse("notes = {\"one\", \"two\"}\n", "retire = {root}\n", "retire");
	refuse("notes", "surprise", "surprise");
	refuse("use = root-ca", "use = cellar-ca", "cellar-ca");
	refuse("\tsubject = \"Root\"\n", "", "subject");
}

static void
names_lead_somewhere(void **state)
{
	(void)state;
	refuse("key \"device-ca\" { use = device-ca }\n", "", ":13: ");
	refuse("\tissuer = root\n\tprofile = device-ca",
	    "\tissuer = cellar\n\tprofile = device-ca", "cellar");
	refuse("\tissuer = root\n\tprofile = device-ca",
	    "\tissuer = codesign\n\tprofile = device-ca", "code signing");
	refuse("\tissuer = root\n\tprofile = root-ca",
	    "\tissuer = device-ca\n\tprofile = root-ca", "first");
	refuse("request \"codesign\"", "request \"cellar\"", "cellar");
	refuse("key \"root\" {", "key \"device-ca\" {", "device-ca");
}

static void
only_stations_have_profiles(void **state)
{
	(void)state;
	refuse("role = station", "role = auditor", "profiles");
	refuse("\tprofiles = {device}\n", "", "profiles");
}

static void
only_a_succession_takes_keys_over(void **state)
{
	char with[160], digits[65];
	char *written;

	(void)state;
	memset(digits, 'a', 64);
	digits[64] = '\0';
	snprintf(with, sizeof(with),
	    "key \"root\" {\n\tuse = root-ca\n\texisting = \"%s\"\n}", digits);
	refuse("key \"root\" { use = root-ca }", with, "succession");
	written = text_replace(good, "key \"root\" { use = root-ca }", with);
	assert_int_equal(read_text(written, MM_CEREMONY_SUCCESSION), MM_OK);
	assert_int_equal(
	    mm_list_at(text.keys, struct mm_ceremony_key, 0)->existing.size,
	    32);
	free(written);
	digits[63] = '\0'; /* one digit is missing */
	snprintf(with, sizeof(with),
	    "key \"root\" {\n\tuse = root-ca\n\texisting = \"%s\"\n}", digits);
	refuse("key \"root\" { use = root-ca }", with, "64");
}

static void
a_later_one_begins_nothing(void **state)
{
	static const char later[] = "retire = {codesign}\n"
				    "key \"device-ca-2\" { use = device-ca }\n"
				    "certificate \"device-ca-2\" {\n"
				    "\tissuer = root\n"
				    "\tprofile = device-ca\n"
				    "\tsubject = \"Second\"\n"
				    "}\n";
	static const char *const more[] = {"origin = \"a.example/b\"\n",
	    "policy = \"p\"\n", "settings = \"s\"\n",
	    "principal \"a\" {\n\trole = auditor\n\tcsr = \"a\"\n}\n"};

	(void)state;
	assert_int_equal(read_text(later, MM_CEREMONY_AMENDMENT), MM_OK);
	assert_int_equal(text.retire.count, 1);
	assert_int_equal(read_text(later, MM_CEREMONY_BIRTH), MM_E_FORMAT);
	for (size_t i = 0; i < MM_COUNT(more); i++) {
		char written[1024];

		snprintf(written, sizeof(written), "%s%s", more[i], later);
		assert_int_equal(
		    read_text(written, MM_CEREMONY_AMENDMENT), MM_E_FORMAT);
	}
}

/* A ceremony without anything but `count` keys. */
static enum mm_error
read_keys(unsigned count)
{
	char written[4096] = "";

	for (unsigned i = 0; i < count; i++)
		snprintf(written + strlen(written),
		    sizeof(written) - strlen(written),
		    "key \"k%u\" { use = device-ca }\n", i);
	return read_text(written, MM_CEREMONY_AMENDMENT);
}

static void
there_are_limits(void **state)
{
	(void)state;
	assert_int_equal(read_keys(15), MM_OK);
	assert_int_equal(read_keys(16), MM_OK);
	assert_int_equal(read_keys(17), MM_E_FORMAT);
	assert_int_equal(
	    read_text("expires = 1h\n", MM_CEREMONY_AMENDMENT), MM_OK);
	assert_int_equal(
	    read_text("expires = 3599s\n", MM_CEREMONY_AMENDMENT), MM_E_FORMAT);
	assert_int_equal(
	    read_text("expires = 366d\n", MM_CEREMONY_AMENDMENT), MM_OK);
	assert_int_equal(
	    read_text("expires = 367d\n", MM_CEREMONY_AMENDMENT), MM_E_FORMAT);
}

/* Notes of `size` bytes, with the ends of their lines. */
static enum mm_error
read_notes(size_t size)
{
	static char written[3 * MM_NOTES_MAX];
	char line[256];

	snprintf(written, sizeof(written), "notes = {");
	while (size > 0) {
		size_t length = size > 256 ? 127 : size - 1;

		memset(line, 'x', length);
		line[length] = '\0';
		snprintf(written + strlen(written),
		    sizeof(written) - strlen(written), "\"%s\"%s", line,
		    size == length + 1 ? "}\n" : ", ");
		size -= length + 1;
	}
	return read_text(written, MM_CEREMONY_AMENDMENT);
}

static void
notes_have_an_end(void **state)
{
	(void)state;
	assert_int_equal(read_notes(MM_NOTES_MAX - 1), MM_OK);
	assert_int_equal(read_notes(MM_NOTES_MAX), MM_OK);
	assert_int_equal(text.notes.size, MM_NOTES_MAX);
	assert_int_equal(read_notes(MM_NOTES_MAX + 1), MM_E_FORMAT);
	assert_int_equal(
	    read_text("expires = 1d\n", MM_CEREMONY_AMENDMENT), MM_OK);
	assert_int_equal(text.notes.size, 0);
}

/* --- against a policy --- */

static struct mm_profile profiles[] = {
    {.purpose = MM_PURPOSE_CODE_SIGNING},
    {.purpose = MM_PURPOSE_DEVICE},
    {.purpose = MM_PURPOSE_CA},
    {.purpose = MM_PURPOSE_CA},
};
static const char *const profile_names[] = {
    "codesign", "device", "device-ca", "root-ca"};

static enum mm_error
check_with(size_t count, const char *issuer)
{
	const struct mm_policy policy = {.profiles = {profiles, count}};

	for (size_t i = 0; i < MM_COUNT(profiles); i++) {
		profiles[i].name = mm_span_text(profile_names[i]);
		profiles[i].issuer = mm_span_text("root");
	}
	profiles[1].issuer = mm_span_text(issuer);
	return mm_ceremony_text_check(&text, &policy);
}

static void
the_policy_has_what_it_names(void **state)
{
	char *written;

	(void)state;
	assert_int_equal(read_text(good, MM_CEREMONY_BIRTH), MM_OK);
	assert_int_equal(check_with(4, "device-ca"), MM_OK);
	assert_int_equal(check_with(3, "device-ca"), MM_E_PROFILE);
	/* What is issued every day needs its key. */
	assert_int_equal(check_with(4, "device-ca-2"), MM_E_POLICY);
	written = text_replace(good, "profile = root-ca", "profile = codesign");
	assert_int_equal(read_text(written, MM_CEREMONY_BIRTH), MM_OK);
	assert_int_equal(check_with(4, "device-ca"), MM_E_PROFILE);
	free(written);
	written = text_replace(good, "profile = codesign", "profile = device");
	assert_int_equal(read_text(written, MM_CEREMONY_BIRTH), MM_OK);
	assert_int_equal(check_with(4, "device-ca"), MM_E_PROFILE);
	free(written);
	written = text_replace(good, "{device}", "{cellar}");
	assert_int_equal(read_text(written, MM_CEREMONY_BIRTH), MM_OK);
	assert_int_equal(check_with(4, "device-ca"), MM_E_PROFILE);
	free(written);
}

static void
a_later_one_has_its_issuers_already(void **state)
{
	(void)state;
	assert_int_equal(read_keys(1), MM_OK);
	assert_int_equal(check_with(4, "device-ca-2"), MM_OK);
}

static int
forget(void **state)
{
	mm_arena_clear(&arena);
	return text_file_teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_written_is_read),
	    cmocka_unit_test(a_key_is_p256_or_what_it_says),
	    cmocka_unit_test(only_code_is_signed_by_rsa),
	    cmocka_unit_test(a_claim_is_held_against_the_same),
	    cmocka_unit_test(a_code_signing_key_may_have_no_certificate),
	    cmocka_unit_test(a_beginning_is_whole),
	    cmocka_unit_test(names_lead_somewhere),
	    cmocka_unit_test(only_stations_have_profiles),
	    cmocka_unit_test(only_a_succession_takes_keys_over),
	    cmocka_unit_test(a_later_one_begins_nothing),
	    cmocka_unit_test(there_are_limits),
	    cmocka_unit_test(notes_have_an_end),
	    cmocka_unit_test(the_policy_has_what_it_names),
	    cmocka_unit_test(a_later_one_has_its_issuers_already),
	};

	return cmocka_run_group_tests(tests, text_file_setup, forget);
}
