/* The audit of reports of scrap: each rule that is broken is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/audit_attacks.h"

/* Of the unit with this certificate. */
static struct mm_scrap_entry
scrap_of(const struct issue *unit, uint64_t certificate)
{
	return (struct mm_scrap_entry){.basis = honest.order,
	    .certificate = certificate,
	    .serial = serial_of(unit->entry.tbs),
	    .device = unit->entry.subject,
	    .reason = text("no answer"),
	    .principal = text("station-1"),
	    .request = new_request()};
}

/* A device's certificate, signed, and the report that may follow it. */
static struct mm_scrap_entry
make_unit(const char *device)
{
	struct issue unit = device_issue(device);

	return scrap_of(&unit, issue_signed(&unit));
}

static void
a_report_passes(void **state)
{
	struct mm_scrap_entry one, other;
	struct mm_audit_report report;

	(void)state;
	one = make_unit("dev-01");
	other = make_unit("dev-02");
	add(MM_ENTRY_SCRAP, &one);
	revoke_serial(other.serial, 1);
	add(MM_ENTRY_SCRAP, &other);
	passes();
	assert_int_equal(audit(&report), MM_OK);
	assert_int_equal(report.kinds[MM_ENTRY_SCRAP], 2);
}

/* Where it was closed, or its devices were narrowed, since. */
static void
a_report_under_later_terms_passes(void **state)
{
	struct mm_order_claim order = make_order("order-2");
	struct mm_scrap_entry one;

	(void)state;
	honest.order = add_order(&order, "officer-1");
	one = make_unit("dev-01");
	order.revision = 1;
	order.closed = true;
	one.basis = add_order(&order, "officer-1");
	add(MM_ENTRY_SCRAP, &one);
	passes();
}

static void
scrap_twice(void)
{
	struct mm_scrap_entry one = make_unit("dev-01");

	add(MM_ENTRY_SCRAP, &one);
	one.request = new_request();
	add(MM_ENTRY_SCRAP, &one);
}

static void
scrap_of_another_device(void)
{
	struct mm_scrap_entry one = make_unit("dev-01");

	one.device = text("dev-02");
	add(MM_ENTRY_SCRAP, &one);
}

static void
scrap_of_another_serial(void)
{
	struct mm_scrap_entry one = make_unit("dev-01");

	one.serial = make_unit("dev-02").serial;
	add(MM_ENTRY_SCRAP, &one);
}

static void
scrap_of_another_entry(void)
{
	struct mm_scrap_entry one = make_unit("dev-01");

	one.certificate = make_unit("dev-02").certificate;
	add(MM_ENTRY_SCRAP, &one);
}

static void
scrap_of_no_certificate(void)
{
	struct mm_scrap_entry one = make_unit("dev-01");

	one.certificate = honest.order;
	add(MM_ENTRY_SCRAP, &one);
}

static void
scrap_of_another_order(void)
{
	struct mm_order_claim order = make_order("order-2");
	struct mm_scrap_entry one = make_unit("dev-01");

	one.basis = add_order(&order, "officer-1");
	add(MM_ENTRY_SCRAP, &one);
}

static void
scrap_under_former_terms(void)
{
	struct mm_order_claim order = make_order("order-2");
	struct mm_scrap_entry one;

	honest.order = add_order(&order, "officer-1");
	one = make_unit("dev-01");
	order.revision = 1;
	add_order(&order, "officer-1");
	add(MM_ENTRY_SCRAP, &one);
}

static void
scrap_without_an_order(void)
{
	struct mm_scrap_entry one = make_unit("dev-01");

	one.basis = 0;
	add(MM_ENTRY_SCRAP, &one);
}

static void
scrap_of_an_unsigned_one(void)
{
	struct issue unit = device_issue("dev-01");
	struct mm_scrap_entry one = scrap_of(&unit, add_certificate(&unit));

	add(MM_ENTRY_SCRAP, &one);
}

static void
scrap_of_a_void_one(void)
{
	struct issue unit = device_issue("dev-01");
	uint64_t index = add_certificate(&unit);
	struct mm_scrap_entry one = scrap_of(&unit, index);

	add_void(index);
	add(MM_ENTRY_SCRAP, &one);
}

static void
scrap_before_its_certificate(void)
{
	struct mm_scrap_entry one = make_unit("dev-01");

	one.certificate = mint.log.size;
	add(MM_ENTRY_SCRAP, &one);
}

static void
scrap_by_an_auditor(void)
{
	struct mm_scrap_entry one = make_unit("dev-01");

	one.principal = text("auditor-1");
	add(MM_ENTRY_SCRAP, &one);
}

static void
scrap_by_a_station_outside_the_order(void)
{
	struct mm_order_claim order = make_order("order-2");
	struct mm_scrap_entry one;

	honest.order = add_order(&order, "officer-1");
	one = make_unit("dev-01");
	order.revision = 1;
	order.stations = TEXTS("station-9");
	one.basis = add_order(&order, "officer-1");
	add(MM_ENTRY_SCRAP, &one);
}

static void
scrap_by_the_request_of_its_certificate(void)
{
	struct issue unit = device_issue("dev-01");
	struct mm_scrap_entry one = scrap_of(&unit, issue_signed(&unit));

	one.request = unit.entry.request;
	add(MM_ENTRY_SCRAP, &one);
}

static void
reports_are_checked(void **state)
{
	static const struct attack attacks[] = {
	    ATTACK(scrap_twice, "says of its unit already"),
	    ATTACK(scrap_of_another_device, "its order has not issued"),
	    ATTACK(scrap_of_another_serial, "its order has not issued"),
	    ATTACK(scrap_of_another_entry, "its order has not issued"),
	    ATTACK(scrap_of_no_certificate, "its order has not issued"),
	    ATTACK(scrap_of_another_order, "its order has not issued"),
	    ATTACK(scrap_under_former_terms, "its basis is revision 0"),
	    ATTACK(scrap_without_an_order, "is no order"),
	    ATTACK(scrap_of_an_unsigned_one, "is not signed"),
	    ATTACK(scrap_of_a_void_one, "its order has not issued"),
	    ATTACK(scrap_before_its_certificate, "does not come before"),
	    ATTACK(scrap_by_an_auditor, "may not ask for"),
	    ATTACK(scrap_by_a_station_outside_the_order, "is not for station"),
	    ATTACK(scrap_by_the_request_of_its_certificate, "its request is")};

	(void)state;
	run_attacks(attacks, MM_COUNT(attacks));
}

#define HONEST(test) cmocka_unit_test_setup(test, begin)

int
main(void)
{
	const struct CMUnitTest tests[] = {HONEST(a_report_passes),
	    HONEST(a_report_under_later_terms_passes),
	    HONEST(reports_are_checked)};

	return cmocka_run_group_tests(tests, honest_make, honest_remove);
}
