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
	products[0] = (struct mm_product){text("demo"), {schemes, 1}, 100};
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
	expect(MM_ISSUE_DENY, MM_E_ORDER_COVER);
	stations[0].value = text("station-1");
	order.profile = text("other");
	expect(MM_ISSUE_DENY, MM_E_ORDER_COVER);
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
	    TEST(budgets_are_counted), TEST(orders_end),
	    TEST(a_day_has_its_limit), TEST(each_message_has_its_roles),
	    TEST(an_approved_image_is_signed),
	    TEST(products_and_schemes_are_the_policys),
	    TEST(images_fit_their_product), TEST(images_are_what_was_approved)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
