/* The decision: denied by default, each denial by its rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "policy/decide.h"
#include "protocol/message.h"

enum { NOW = 1800000000 };

static struct mm_profile profiles[2];
static struct mm_text_item schemes[1], may_use[1], stations[1];
static struct mm_product products[1];
static struct mm_policy policy;
static struct mm_principal station;
static struct mm_order_claim order;
static struct mm_issue_facts facts;
static struct mm_scheme_digest digests[1];
static struct mm_release_claim claim;
static struct mm_release_facts release;
static uint8_t sha256[32], digest[32];

static struct mm_span
text(const char *string)
{
	return mm_span_text(string);
}

static void
setup_issue(void)
{
	station = (struct mm_principal){.name = text("station-1"),
	    .role = MM_ROLE_STATION,
	    .profiles = {may_use, 1}};
	order = (struct mm_order_claim){.name = text("o1"),
	    .profile = text("device"),
	    .units = 10,
	    .devices = {.pattern = text("SN-*")},
	    .stations = {stations, 1},
	    .until = NOW};
	facts = (struct mm_issue_facts){.policy = &policy,
	    .principal = &station,
	    .order = &order,
	    .profile = text("device"),
	    .device = text("SN-1"),
	    .key_type = MM_KEY_P256,
	    .now = NOW};
}

static void
setup_release(void)
{
	memset(sha256, 1, sizeof(sha256));
	memset(digest, 2, sizeof(digest));
	digests[0].scheme = text("sha256-ecdsa");
	memcpy(digests[0].digest, digest, sizeof(digest));
	claim = (struct mm_release_claim){.product = text("demo"),
	    .version = text("1.0"),
	    .size = 100,
	    .schemes = {digests, 1}};
	memcpy(claim.sha256, sha256, sizeof(sha256));
	release = (struct mm_release_facts){.policy = &policy,
	    .product = text("demo"),
	    .version = text("1.0"),
	    .scheme = text("sha256-ecdsa"),
	    .size = 100,
	    .sha256 = sha256,
	    .digest = digest,
	    .claim = &claim};
}

static int
setup(void **state)
{
	(void)state;
	profiles[0] = (struct mm_profile){.name = text("device"),
	    .purpose = MM_PURPOSE_DEVICE,
	    .keys = 1 << MM_KEY_P256};
	profiles[1] = (struct mm_profile){.name = text("root-ca"),
	    .purpose = MM_PURPOSE_CA,
	    .keys = 1 << MM_KEY_P256};
	schemes[0].value = text("sha256-ecdsa");
	may_use[0].value = text("device");
	stations[0].value = text("station-1");
	products[0] = (struct mm_product){
	    .name = text("demo"), .schemes = {schemes, 1}, .size = 100};
	policy = (struct mm_policy){
	    .profiles = {profiles, 2}, .products = {products, 1}};
	setup_issue();
	setup_release();
	return 0;
}

static void
expect(enum mm_issue_verdict wanted, enum mm_error why)
{
	enum mm_error error = MM_E_BUG;

	assert_int_equal(mm_decide_issue(&facts, &error), wanted);
	assert_string_equal(mm_error_name(error), mm_error_name(why));
}

static void
a_covered_device_gets_its_certificate(void **state)
{
	(void)state;
	expect(MM_ISSUE_NEW, MM_OK);
}

static void
strangers_are_denied(void **state)
{
	(void)state;
	facts.principal = NULL;
	expect(MM_ISSUE_DENY, MM_E_PRINCIPAL);
	facts.principal = &station;
	station.disabled = true;
	expect(MM_ISSUE_DENY, MM_E_PRINCIPAL);
}

static void
only_stations_get_certificates(void **state)
{
	(void)state;
	for (uint64_t role = 0; role <= MM_ROLES; role++) {
		station.role = role;
		if (role != MM_ROLE_STATION)
			expect(MM_ISSUE_DENY, MM_E_ROLE);
	}
	station.role = UINT64_MAX;
	expect(MM_ISSUE_DENY, MM_E_ROLE);
}

static void
profiles_are_known_for_devices_and_allowed(void **state)
{
	(void)state;
	facts.profile = text("devic");
	expect(MM_ISSUE_DENY, MM_E_PROFILE);
	facts.profile = text("root-ca");
	may_use[0].value = text("root-ca");
	order.profile = text("root-ca");
	expect(MM_ISSUE_DENY, MM_E_PROFILE_DENIED);
	facts.profile = text("device");
	expect(MM_ISSUE_DENY, MM_E_PROFILE_DENIED);
	station.profiles.count = 0;
	expect(MM_ISSUE_DENY, MM_E_PROFILE_DENIED);
}

static void
device_ids_are_checked(void **state)
{
	(void)state;
	facts.device = text("SN-1,O=Other");
	expect(MM_ISSUE_DENY, MM_E_DEVICE_ID);
	facts.device = mm_span("SN-1\0x", 6);
	expect(MM_ISSUE_DENY, MM_E_DEVICE_ID);
}

static void
orders_must_exist_and_cover(void **state)
{
	(void)state;
	facts.order = NULL;
	expect(MM_ISSUE_DENY, MM_E_ORDER);
	facts.order = &order;
	facts.device = text("XN-1");
	expect(MM_ISSUE_DENY, MM_E_ORDER_COVER);
	facts.device = text("SN-1");
	stations[0].value = text("station-2");
	expect(MM_ISSUE_DENY, MM_E_ORDER_OTHERS);
	stations[0].value = text("station-1");
	order.profile = text("other");
	expect(MM_ISSUE_DENY, MM_E_ORDER_OTHERS);
}

static void
keys_are_of_the_profiles_kinds(void **state)
{
	(void)state;
	facts.key_type = MM_KEY_RSA;
	expect(MM_ISSUE_DENY, MM_E_KEY_TYPE);
	facts.key_type = 64 + MM_KEY_P256;
	expect(MM_ISSUE_DENY, MM_E_KEY_TYPE);
	facts.key_type = 0;
	expect(MM_ISSUE_DENY, MM_E_KEY_TYPE);
}

static void
the_same_again_gets_the_same(void **state)
{
	(void)state;
	facts.device_issued = true;
	facts.device_same_key = true;
	facts.device_same_order = true;
	expect(MM_ISSUE_AGAIN, MM_OK);
	/* Nothing is signed anew, whatever has ended since. */
	order.until = NOW - 1;
	facts.order_used = 10;
	station.daily = 1;
	facts.today = 1;
	expect(MM_ISSUE_AGAIN, MM_OK);
	/* But only for who may ask. */
	station.disabled = true;
	expect(MM_ISSUE_DENY, MM_E_PRINCIPAL);
}

static void
a_device_has_one_certificate(void **state)
{
	(void)state;
	facts.device_issued = true;
	expect(MM_ISSUE_DENY, MM_E_DEVICE_ISSUED);
	facts.device_same_order = true;
	expect(MM_ISSUE_DENY, MM_E_DEVICE_ISSUED);
	facts.device_same_order = false;
	facts.device_same_key = true;
	expect(MM_ISSUE_DENY, MM_E_DEVICE_ISSUED);
}

static void
a_key_is_for_one_device(void **state)
{
	(void)state;
	facts.key_elsewhere = true;
	expect(MM_ISSUE_DENY, MM_E_KEY_USED);
}

static void
budgets_are_counted(void **state)
{
	(void)state;
	facts.order_used = 9;
	expect(MM_ISSUE_NEW, MM_OK);
	facts.order_used = 10;
	expect(MM_ISSUE_DENY, MM_E_ORDER_EXHAUSTED);
	facts.order_used = 11;
	expect(MM_ISSUE_DENY, MM_E_ORDER_EXHAUSTED);
}

static void
a_key_of_a_revoked_certificate_is_dead(void **state)
{
	(void)state;
	facts.key_revoked = true;
	expect(MM_ISSUE_DENY, MM_E_KEY_USED);
	assert_non_null(strstr(mm_why(MM_E_KEY_USED), "make a new key"));
	facts.reissue = facts.device_issued = true;
	order.reissue = 1;
	expect(MM_ISSUE_DENY, MM_E_KEY_USED);
}

static void
a_device_on_hold_keeps_its_certificate(void **state)
{
	(void)state;
	facts.device_issued = facts.device_held = true;
	expect(MM_ISSUE_DENY, MM_E_DEVICE_ISSUED);
	assert_non_null(strstr(mm_why(MM_E_DEVICE_ISSUED), "is on hold"));
	/* Under another order, too. */
	facts.device_same_key = true;
	expect(MM_ISSUE_DENY, MM_E_DEVICE_ISSUED);
	assert_non_null(strstr(mm_why(MM_E_DEVICE_ISSUED), "is on hold"));
	facts.device_same_order = true;
	expect(MM_ISSUE_DENY, MM_E_REVOKED);
	assert_non_null(strstr(mm_why(MM_E_REVOKED), "is on hold"));
	facts.device_held = false;
	expect(MM_ISSUE_AGAIN, MM_OK);
}

static void
setup_reissue(void)
{
	facts.reissue = true;
	facts.device_issued = true;
	order.reissue = 2;
}

static void
a_reissue_replaces_what_is_live(void **state)
{
	(void)state;
	setup_reissue();
	expect(MM_ISSUE_REPLACE, MM_OK);
	/* Under another order than the former one, or for the same key. */
	facts.device_same_order = true;
	expect(MM_ISSUE_REPLACE, MM_OK);
	facts.device_same_order = false;
	facts.device_same_key = true;
	expect(MM_ISSUE_REPLACE, MM_OK);
	/* It is no unit. */
	facts.order_used = 10;
	expect(MM_ISSUE_REPLACE, MM_OK);
}

/* By another key: the one on hold is nobody's word for anything. */
static void
what_is_on_hold_is_replaced(void **state)
{
	(void)state;
	setup_reissue();
	facts.device_held = true;
	expect(MM_ISSUE_REPLACE, MM_OK);
	facts.device_same_order = true;
	expect(MM_ISSUE_REPLACE, MM_OK);
	facts.order_reissued = 2;
	expect(MM_ISSUE_DENY, MM_E_REISSUE);
	facts.order_reissued = 0;
	facts.device_same_key = facts.key_revoked = true;
	expect(MM_ISSUE_DENY, MM_E_REVOKED);
	facts.device_same_order = false;
	expect(MM_ISSUE_DENY, MM_E_KEY_USED);
}

static void
reissues_are_counted(void **state)
{
	(void)state;
	setup_reissue();
	facts.order_reissued = 1;
	expect(MM_ISSUE_REPLACE, MM_OK);
	facts.order_reissued = 2;
	expect(MM_ISSUE_DENY, MM_E_REISSUE);
	facts.order_reissued = 3;
	expect(MM_ISSUE_DENY, MM_E_REISSUE);
	facts.order_reissued = 0;
	order.reissue = 0;
	expect(MM_ISSUE_DENY, MM_E_REISSUE);
}

static void
a_reissue_needs_something_to_replace(void **state)
{
	(void)state;
	setup_reissue();
	facts.device_unsigned = true;
	expect(MM_ISSUE_DENY, MM_E_BUSY);
	facts.device_unsigned = facts.device_issued = false;
	expect(MM_ISSUE_DENY, MM_E_NOT_FOUND);
	assert_non_null(strstr(mm_why(MM_E_NOT_FOUND), "without reissue"));
}

static void
a_repeated_reissue_gets_the_same(void **state)
{
	(void)state;
	setup_reissue();
	facts.device_same_key = facts.device_same_order = true;
	facts.order_reissued = 2;
	expect(MM_ISSUE_AGAIN, MM_OK);
	facts.device_unsigned = true;
	expect(MM_ISSUE_AGAIN, MM_OK);
}

static void
a_reissue_keeps_the_other_rules(void **state)
{
	(void)state;
	setup_reissue();
	facts.key_elsewhere = true;
	expect(MM_ISSUE_DENY, MM_E_KEY_USED);
	facts.key_elsewhere = false;
	station.daily = 5;
	facts.today = 5;
	expect(MM_ISSUE_DENY, MM_E_DAILY);
	facts.today = 4;
	order.until = NOW - 1;
	expect(MM_ISSUE_DENY, MM_E_ORDER_CLOSED);
	order.until = NOW;
	order.closed = true;
	expect(MM_ISSUE_DENY, MM_E_ORDER_CLOSED);
	order.closed = false;
	facts.key_type = MM_KEY_RSA;
	expect(MM_ISSUE_DENY, MM_E_KEY_TYPE);
	facts.key_type = MM_KEY_P256;
	facts.device = text("XN-1");
	expect(MM_ISSUE_DENY, MM_E_ORDER_COVER);
	facts.device = text("SN-1");
	expect(MM_ISSUE_REPLACE, MM_OK);
}

static void
closed_orders_issue_nothing_new(void **state)
{
	(void)state;
	order.closed = true;
	order.revision = 2;
	expect(MM_ISSUE_DENY, MM_E_ORDER_CLOSED);
	facts.device_issued = facts.device_same_key = facts.device_same_order =
	    true;
	expect(MM_ISSUE_AGAIN, MM_OK);
}

/* RFC 5280 5.3.1, reason by reason and state by state. */
static void
revocations_are_for_good_but_holds(void **state)
{
	(void)state;
	for (uint64_t revoked = 0; revoked <= 11; revoked++)
		for (uint64_t reason = 0; reason <= 12; reason++) {
			struct mm_revoke_facts known = {true, revoked, reason};
			bool none = reason == 7 || reason > 10;
			enum mm_error wanted = MM_OK;

			if (none || (revoked == 0 && reason == 8))
				wanted = MM_E_STATEMENT;
			else if (revoked != 0 && (revoked != 7 || reason == 6))
				wanted = MM_E_REVOKED;
			assert_int_equal(mm_decide_revoke(&known), wanted);
			known.known = false;
			assert_int_equal(mm_decide_revoke(&known),
			    none ? MM_E_STATEMENT : MM_E_NOT_FOUND);
		}
}

static void
an_order_begins_once_and_goes_on_by_one(void **state)
{
	struct mm_order_claim next = order;
	struct mm_order_facts stated = {&policy, NULL, &next};

	(void)state;
	assert_int_equal(mm_decide_order(&stated), MM_OK);
	next.revision = 1;
	assert_int_equal(mm_decide_order(&stated), MM_E_ORDER);
	stated.former = &order;
	assert_int_equal(mm_decide_order(&stated), MM_OK);
	next.revision = 0;
	assert_int_equal(mm_decide_order(&stated), MM_E_NAME_TAKEN);
	order.revision = 4;
	assert_int_equal(mm_decide_order(&stated), MM_E_NAME_TAKEN);
	next.revision = 4;
	assert_int_equal(mm_decide_order(&stated), MM_E_STATEMENT_DIFFERS);
	next.revision = 5;
	assert_int_equal(mm_decide_order(&stated), MM_OK);
	next.revision = 6;
	assert_int_equal(mm_decide_order(&stated), MM_E_STATEMENT_DIFFERS);
	assert_non_null(strstr(mm_why(MM_E_STATEMENT_DIFFERS), "is 5"));
}

static void
an_order_keeps_its_profile(void **state)
{
	struct mm_order_claim next = order;
	struct mm_order_facts stated = {&policy, &order, &next};

	(void)state;
	next.revision = 1;
	next.profile = text("root-ca");
	assert_int_equal(mm_decide_order(&stated), MM_E_STATEMENT_DIFFERS);
	stated.former = NULL;
	next.revision = 0;
	assert_int_equal(mm_decide_order(&stated), MM_E_PROFILE);
	next.profile = text("gone");
	assert_int_equal(mm_decide_order(&stated), MM_E_PROFILE);
	/* What is left of an order whose profile is gone can be closed. */
	order.profile = text("gone");
	stated.former = &order;
	next.revision = 1;
	assert_int_equal(mm_decide_order(&stated), MM_E_PROFILE);
	next.closed = true;
	assert_int_equal(mm_decide_order(&stated), MM_OK);
}

static struct mm_profile access_profiles[3];
static struct mm_text_item issuers[2], names[1];
static struct mm_policy next_policy;
static struct mm_policy_facts proposed;

static void
setup_policy(void)
{
	access_profiles[0] = (struct mm_profile){.name = text("device"),
	    .purpose = MM_PURPOSE_DEVICE,
	    .issuer = text("a key to come")};
	access_profiles[1] = (struct mm_profile){.name = text("tls-client"),
	    .purpose = MM_PURPOSE_CLIENT,
	    .issuer = text("access-ca")};
	access_profiles[2] = (struct mm_profile){.name = text("tls-server"),
	    .purpose = MM_PURPOSE_SERVER,
	    .issuer = text("server-ca")};
	issuers[0].value = text("access-ca");
	issuers[1].value = text("server-ca");
	policy.number = 7;
	next_policy = (struct mm_policy){
	    .number = 8, .names = {names, 1}, .profiles = {access_profiles, 3}};
	proposed =
	    (struct mm_policy_facts){&policy, &next_policy, {issuers, 2}, 1};
}

static void
expect_locked_out(const char *why)
{
	assert_int_equal(mm_decide_policy(&proposed), MM_E_LOCK_OUT);
	if (strstr(mm_why(MM_E_LOCK_OUT), why) == NULL)
		fail_msg(
		    "\"%s\" does not say \"%s\"", mm_why(MM_E_LOCK_OUT), why);
}

static void
policies_are_numbered_one_by_one(void **state)
{
	(void)state;
	setup_policy();
	assert_int_equal(mm_decide_policy(&proposed), MM_OK);
	next_policy.number = 7;
	assert_int_equal(mm_decide_policy(&proposed), MM_E_STATEMENT_DIFFERS);
	next_policy.number = 9;
	assert_int_equal(mm_decide_policy(&proposed), MM_E_STATEMENT_DIFFERS);
}

static void
a_policy_locks_nobody_out(void **state)
{
	(void)state;
	setup_policy();
	proposed.officers = 0;
	expect_locked_out("role officer");
	setup_policy();
	next_policy.names.count = 0;
	expect_locked_out("no name");
	setup_policy();
	proposed.issuers.count = 1;
	expect_locked_out("server-ca");
	setup_policy();
	issuers[0].value = text("access-c");
	expect_locked_out("access-ca");
	setup_policy();
	next_policy.profiles.count = 2;
	expect_locked_out("no profile");
	next_policy.profiles.count = 1;
	expect_locked_out("no profile");
}

/* The mint takes the first: a second one saves nobody. */
static void
the_first_profile_of_a_purpose_counts(void **state)
{
	(void)state;
	setup_policy();
	access_profiles[0].purpose = MM_PURPOSE_CLIENT;
	expect_locked_out("a key to come");
	access_profiles[0].issuer = text("access-ca");
	access_profiles[1].issuer = text("a key to come");
	assert_int_equal(mm_decide_policy(&proposed), MM_OK);
}

static void
orders_end(void **state)
{
	(void)state;
	order.until = NOW - 1;
	expect(MM_ISSUE_DENY, MM_E_ORDER_CLOSED);
	order.until = NOW;
	expect(MM_ISSUE_NEW, MM_OK);
}

static void
a_day_has_its_limit(void **state)
{
	(void)state;
	facts.today = 1000000;
	expect(MM_ISSUE_NEW, MM_OK);
	station.daily = 5;
	facts.today = 4;
	expect(MM_ISSUE_NEW, MM_OK);
	facts.today = 5;
	expect(MM_ISSUE_DENY, MM_E_DAILY);
}

static void
each_message_has_its_roles(void **state)
{
	(void)state;
	for (uint64_t type = 0; type <= MM_MESSAGE_TYPES; type++) {
		const struct mm_message_type_row *row = mm_message_row(type);

		for (uint64_t role = 1; role < MM_ROLES; role++) {
			station.role = role;
			assert_int_equal(mm_decide_message(&station, type),
			    row == NULL              ? MM_E_UNKNOWN
			    : row->roles >> role & 1 ? MM_OK
						     : MM_E_ROLE);
		}
	}
	assert_int_equal(
	    mm_decide_message(NULL, MM_MESSAGE_STATUS), MM_E_PRINCIPAL);
	station.disabled = true;
	assert_int_equal(
	    mm_decide_message(&station, MM_MESSAGE_STATUS), MM_E_PRINCIPAL);
}

/* Of its order alone; whatever became of order and device since. */
static void
stations_of_an_order_report_its_scrap(void **state)
{
	struct mm_scrap_facts scrap = {.principal = &station,
	    .order = &order,
	    .issued = true,
	    .is_signed = true};

	(void)state;
	assert_int_equal(mm_decide_scrap(&scrap), MM_OK);
	order.closed = true;
	order.until = 1;
	order.devices.pattern = text("other-*");
	station.profiles.count = 0;
	assert_int_equal(mm_decide_scrap(&scrap), MM_OK);
	scrap.is_signed = false;
	assert_int_equal(mm_decide_scrap(&scrap), MM_E_BUSY);
	scrap.issued = false;
	assert_int_equal(mm_decide_scrap(&scrap), MM_E_NOT_OF_ORDER);
	stations[0].value = text("station-2");
	assert_int_equal(mm_decide_scrap(&scrap), MM_E_ORDER_OTHERS);
	scrap.order = NULL;
	assert_int_equal(mm_decide_scrap(&scrap), MM_E_ORDER);
	for (uint64_t role = 1; role < MM_ROLES; role++) {
		station.role = role;
		if (role != MM_ROLE_STATION)
			assert_int_equal(mm_decide_scrap(&scrap), MM_E_ROLE);
	}
	station.disabled = true;
	assert_int_equal(mm_decide_scrap(&scrap), MM_E_PRINCIPAL);
	scrap.principal = NULL;
	assert_int_equal(mm_decide_scrap(&scrap), MM_E_PRINCIPAL);
}

static void
an_approved_image_is_signed(void **state)
{
	(void)state;
	assert_int_equal(mm_decide_release(&release), MM_OK);
}

static void
products_and_schemes_are_the_policys(void **state)
{
	(void)state;
	release.product = text("dem");
	assert_int_equal(mm_decide_release(&release), MM_E_PRODUCT);
	release.product = text("demo");
	release.scheme = text("sha256");
	digests[0].scheme = text("sha256");
	assert_int_equal(mm_decide_release(&release), MM_E_SCHEME);
}

static void
images_fit_their_product(void **state)
{
	(void)state;
	products[0].size = 99;
	assert_int_equal(mm_decide_release(&release), MM_E_IMAGE_SIZE);
	products[0].size = 100;
	assert_int_equal(mm_decide_release(&release), MM_OK);
	products[0].size = 0;
	assert_int_equal(mm_decide_release(&release), MM_OK);
}

static void
images_are_what_was_approved(void **state)
{
	(void)state;
	release.claim = NULL;
	assert_int_equal(mm_decide_release(&release), MM_E_RELEASE);
	release.claim = &claim;
	claim.product = text("other");
	assert_int_equal(mm_decide_release(&release), MM_E_RELEASE);
	claim.product = text("demo");
	claim.version = text("1.1");
	assert_int_equal(mm_decide_release(&release), MM_E_RELEASE);
	claim.version = text("1.0");
	claim.size = 99;
	assert_int_equal(mm_decide_release(&release), MM_E_RELEASE);
	claim.size = 100;
	sha256[31] ^= 1;
	assert_int_equal(mm_decide_release(&release), MM_E_RELEASE);
	sha256[31] ^= 1;
	digest[31] ^= 1;
	assert_int_equal(mm_decide_release(&release), MM_E_RELEASE);
	digest[31] ^= 1;
	digests[0].scheme = text("another");
	assert_int_equal(mm_decide_release(&release), MM_E_RELEASE);
	claim.schemes.count = 0;
	assert_int_equal(mm_decide_release(&release), MM_E_RELEASE);
}

static void
unread_images_are_the_products_to_allow(void **state)
{
	(void)state;
	release.format = text("unread");
	assert_int_equal(mm_decide_release(&release), MM_E_RELEASE);
	assert_non_null(strstr(mm_why(MM_E_RELEASE), "nobody has read"));
	products[0].unread = true;
	assert_int_equal(mm_decide_release(&release), MM_OK);
	release.format = text("plain");
	assert_int_equal(mm_decide_release(&release), MM_OK);
	products[0].unread = false;
	assert_int_equal(mm_decide_release(&release), MM_OK);
}

static void
expect_rule(enum mm_error error, const char *why)
{
	assert_int_equal(mm_decide_release(&release), error);
	if (error != MM_OK)
		assert_non_null(strstr(mm_why(error), why));
}

/* What a log's entry says of an image is what its product asks for. */
static void
entries_are_held_against_their_product(void **state)
{
	(void)state;
	products[0].format = text("esp-app");
	products[0].chip = text("esp32c3");
	products[0].project = text("lamp");
	products[0].secure_version = 2;
	expect_rule(MM_OK, "");
	release.format = text("plain");
	expect_rule(MM_E_IMAGE_RULES, "format is \"plain\"");
	release.format = text("esp-app");
	expect_rule(MM_E_IMAGE_RULES, "chip is \"\"");
	release.chip = text("esp32s3");
	expect_rule(MM_E_IMAGE_RULES, "chip is \"esp32s3\"");
	release.chip = text("esp32c3");
	release.project = text("lam");
	expect_rule(MM_E_IMAGE_RULES, "project is \"lam\"");
	release.project = text("lamp");
	release.secure_version = 1;
	expect_rule(MM_E_IMAGE_RULES, "secure_version is 1");
	release.secure_version = 2;
	expect_rule(MM_OK, "");
	products[0].slot = 99;
	expect_rule(MM_E_IMAGE_SIZE, "slot of product demo has 99");
	products[0].slot = 100;
	expect_rule(MM_OK, "");
}

/* A signing is compared as text: its key, too. */
static void
signings_are_compared_as_text(void **state)
{
	(void)state;
	release.scheme = text("sha256-ecdsa:other");
	digests[0].scheme = release.scheme;
	assert_int_equal(mm_decide_release(&release), MM_E_SCHEME);
	schemes[0].value = release.scheme;
	assert_int_equal(mm_decide_release(&release), MM_OK);
	digests[0].scheme = text("sha256-ecdsa");
	assert_int_equal(mm_decide_release(&release), MM_E_RELEASE);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_covered_device_gets_its_certificate),
	    TEST(strangers_are_denied), TEST(only_stations_get_certificates),
	    TEST(profiles_are_known_for_devices_and_allowed),
	    TEST(device_ids_are_checked), TEST(orders_must_exist_and_cover),
	    TEST(keys_are_of_the_profiles_kinds),
	    TEST(the_same_again_gets_the_same),
	    TEST(a_device_has_one_certificate), TEST(a_key_is_for_one_device),
	    TEST(budgets_are_counted),
	    TEST(a_key_of_a_revoked_certificate_is_dead),
	    TEST(a_device_on_hold_keeps_its_certificate),
	    TEST(a_reissue_replaces_what_is_live),
	    TEST(what_is_on_hold_is_replaced), TEST(reissues_are_counted),
	    TEST(a_reissue_needs_something_to_replace),
	    TEST(a_repeated_reissue_gets_the_same),
	    TEST(a_reissue_keeps_the_other_rules),
	    TEST(closed_orders_issue_nothing_new),
	    TEST(revocations_are_for_good_but_holds),
	    TEST(an_order_begins_once_and_goes_on_by_one),
	    TEST(an_order_keeps_its_profile),
	    TEST(policies_are_numbered_one_by_one),
	    TEST(a_policy_locks_nobody_out),
	    TEST(the_first_profile_of_a_purpose_counts), TEST(orders_end),
	    TEST(a_day_has_its_limit), TEST(each_message_has_its_roles),
	    TEST(stations_of_an_order_report_its_scrap),
	    TEST(an_approved_image_is_signed),
	    TEST(products_and_schemes_are_the_policys),
	    TEST(images_fit_their_product), TEST(images_are_what_was_approved),
	    TEST(unread_images_are_the_products_to_allow),
	    TEST(entries_are_held_against_their_product),
	    TEST(signings_are_compared_as_text)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
