/* An NVS image a device: each is what a CSV of its own would give; names that
 * collide, missing columns and short rows are refused before the first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>

#include "tests/unit/nvs_room.h"

enum { SIZE = 0x4000 };

static struct mm_nvs_source template, values;

static enum mm_error
open_many(const char *first, const char *second, const char *name,
    struct mm_nvs_many **out)
{
	template = (struct mm_nvs_source){
	    .name = "template.csv", .text = mm_span_text(first)};
	values = (struct mm_nvs_source){
	    .name = "values.csv", .text = mm_span_text(second)};
	return mm_nvs_many_new(&template, &values, name, out);
}

/* The next image is the one of these rows, by this name. */
static void
expect(struct mm_nvs_many *many, struct mm_nvs *nvs, const char *name,
    const char *rows)
{
	struct mm_nvs *other = nvs_new(SIZE, 2);
	struct mm_span image, wanted;
	const char *got;

	assert_int_equal(mm_nvs_many_next(many, nvs, &got), MM_OK);
	assert_string_equal(got, name);
	assert_int_equal(mm_nvs_finish(nvs, NULL, &image), MM_OK);
	assert_int_equal(nvs_rows(other, rows), MM_OK);
	assert_int_equal(mm_nvs_finish(other, NULL, &wanted), MM_OK);
	assert_true(mm_span_equal(image, wanted));
	mm_nvs_free(other);
}

static void
expect_end(struct mm_nvs_many *many, struct mm_nvs *nvs)
{
	const char *name;

	assert_int_equal(mm_nvs_many_next(many, nvs, &name), MM_OK);
	assert_null(name);
}

/* As the vendor's mfg_gen has it: no header, three columns, REPEAT. */
static void
takes_a_template_of_mfg_gen(void **state)
{
	struct mm_nvs *nvs = nvs_new(SIZE, 2);
	struct mm_nvs_many *many;

	(void)state;
	assert_int_equal(
	    open_many("app,namespace,\nkey,data,hex2bin\n"
		      "serial,data,string\nno,data,i32,REPEAT\n",
		"id,key,serial,no\n1,1a2b,A1,101\n2,1a2c,\"A,2\",\n", "serial",
		&many),
	    MM_OK);
	assert_int_equal(mm_nvs_many_count(many), 2);
	for (int twice = 0; twice < 2; twice++) {
		expect(many, nvs, "A1",
		    "app,namespace,,\nkey,data,hex2bin,1a2b\n"
		    "serial,data,string,A1\nno,data,i32,101\n");
		expect(many, nvs, "A_2",
		    "app,namespace,,\nkey,data,hex2bin,1a2c\n"
		    "serial,data,string,\"A,2\"\nno,data,i32,101\n");
		expect_end(many, nvs);
		mm_nvs_many_rewind(many);
	}
	mm_nvs_many_free(many);
	mm_nvs_free(nvs);
}

/* With a header, values that are the same for all, and a key in two
 * namespaces; names are numbers where no column gives them. */
static void
takes_a_template_with_values(void **state)
{
	struct mm_nvs *nvs = nvs_new(SIZE, 2);
	struct mm_nvs_many *many;

	(void)state;
	assert_int_equal(
	    open_many(NVS_HEADER "a,namespace,,\nk,data,u8,\nc,data,u8,9\n"
				 "b,namespace,,\nk,data,u8,\n",
		"\xef\xbb\xbf"
		"k,k\r\n1,2\r\n3,4\r\n",
		NULL, &many),
	    MM_OK);
	expect(many, nvs, "1",
	    "a,namespace,,\nk,data,u8,1\nc,data,u8,9\nb,namespace,,\n"
	    "k,data,u8,2\n");
	expect(many, nvs, "2",
	    "a,namespace,,\nk,data,u8,3\nc,data,u8,9\nb,namespace,,\n"
	    "k,data,u8,4\n");
	expect_end(many, nvs);
	mm_nvs_many_free(many);
	mm_nvs_free(nvs);
}

static void
refuses_before_the_first_image(void **state)
{
	static const char good[] = "n,namespace,\nk,data,u8\n";
	static const struct {
		const char *template, *values, *name, *why;
	} bad[] = {
	    {good, "k\n1\n", "id", "values.csv line 1: there is no column"},
	    {good, "j\n1\n", NULL, "template.csv line 2: the key \"k\""},
	    {good, "k\n", NULL, "there is no device"},
	    {good, "", NULL, "nothing here"},
	    {good, "k,id\n1,a\n2,b,c\n", "id",
		"values.csv line 3: there are 3"},
	    {good, "k,id\n1,a\n2\n", "id", "values.csv line 3: there are 1"},
	    {good, "k,id\n1,a\n2,b\n3,a\n", "id",
		"values.csv line 4: the image would have the name of line 2"},
	    {good, "k,id\n1,a\n2,A\n", "id", "the name of line 2"},
	    {good, "k,id\n1,a:b\n2,a/b\n", "id", "the name of line 2"},
	    {good, "k,id\n1,\n", "id", "1 to 200 characters"},
	    {"", "k\n1\n", NULL, "template is empty"},
	    {"n,namespace,\nk,data,u9\n", "k\n1\n", NULL,
		"template.csv line 2: there is no encoding"},
	    {"n,namespace,\nk,date,u8\n", "k\n1\n", NULL,
		"template.csv line 2: the type"},
	    {"n,namespace,\nk,data,u8\nm,namespace,\nk,data,u8\n", "k\n1\n",
		NULL, "for each row of it"},
	    {"key,type,encoding\nn,namespace,\nk,data,u8\n", "k\n1\n", NULL,
		"template.csv line 1: the column \"value\" is missing"},
	    {"key,type,encoding\nn,namespace,\nk,data,u8\n", "k\n1\n", NULL,
		"mfg_gen has it, has no such line"},
	    {good, "k,k\n1,2\n", NULL,
		"values.csv line 1: the column \"k\" is there 2 times, and "
		"the template takes 1"},
	    {good, "k, k ,id\n1,2,a\n", "id", "\"k\" is there 2 times"},
	    {good, "id,k,id\n1,2,a\n", "id", "\"id\" is there 2 times"},
	    {good, "x,k,x\n1,2,a\n", NULL, "\"x\" is there 2 times"},
	    {"n,namespace,\nk,data,u8\nm,namespace,\nk,data,u8\n",
		"k,k,k\n1,2,3\n", NULL, "3 times, and the template takes 2"},
	    {NVS_HEADER "n,namespace,,\nk,data,u8,\nc,data,u8,9\n",
		"c,k,c\n1,2,3\n", NULL, "\"c\" is there 2 times"},
	};
	struct mm_nvs_many *many;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(bad); i++) {
		enum mm_error error = open_many(
		    bad[i].template, bad[i].values, bad[i].name, &many);

		if (error == MM_OK)
			fail_msg("taken: %s", bad[i].why);
		if (strstr(mm_why(error), bad[i].why) == NULL)
			fail_msg("%s: %s", bad[i].why, mm_why(error));
	}
}

/* A row that has a value keeps it; blanks behind the last comma are no
 * column. */
static void
tells_the_columns_that_nothing_takes(void **state)
{
	static const struct {
		const char *values, *name, *unused;
	} cases[] = {
	    {"k\n1\n", NULL, ""},
	    {"id,k\n1,2\n", "id", ""},
	    {"id,k\n1,2\n", NULL, "id"},
	    {"k,C,c,k2,,\n1,2,3,4,,\n", NULL, "C, c, k2"},
	    {"k,k2\n1,2\n", "k", "k2"},
	};
	struct mm_nvs_many *many;

	(void)state;
	for (size_t i = 0; i < MM_COUNT(cases); i++) {
		struct mm_span unused;

		assert_int_equal(open_many(NVS_HEADER
				     "n,namespace,,\nk,data,u8,\nc,data,u8,9\n",
				     cases[i].values, cases[i].name, &many),
		    MM_OK);
		unused = mm_nvs_many_unused(many);
		if (!mm_span_is(unused, cases[i].unused))
			fail_msg("%zu: %.*s", i, MM_SPAN(unused));
		mm_nvs_many_free(many);
	}
}

static void
names_the_line_of_a_bad_value(void **state)
{
	struct mm_nvs *nvs = nvs_new(SIZE, 2);
	struct mm_nvs_many *many;
	const char *name;
	enum mm_error error;

	(void)state;
	assert_int_equal(
	    open_many("n,namespace,\nk,data,u8\n", "k\n1\n256\n", NULL, &many),
	    MM_OK);
	assert_int_equal(mm_nvs_many_next(many, nvs, &name), MM_OK);
	error = mm_nvs_many_next(many, nvs, &name);
	assert_int_equal(error, MM_E_RANGE);
	assert_non_null(strstr(mm_why(error), "values.csv line 3: the value"));
	assert_null(name);
	mm_nvs_many_free(many);
	mm_nvs_free(nvs);
}

static void
keeps_names_inside_their_directory(void **state)
{
	struct mm_nvs *nvs = nvs_new(SIZE, 2);
	struct mm_nvs_many *many;

	(void)state;
	assert_int_equal(open_many("n,namespace,\nk,data,u8\n",
			     "k,id\n1,../../etc/x\n", "id", &many),
	    MM_OK);
	expect(many, nvs, "_._.._etc_x", "n,namespace,,\nk,data,u8,1\n");
	mm_nvs_many_free(many);
	mm_nvs_free(nvs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_a_template_of_mfg_gen),
	    cmocka_unit_test(takes_a_template_with_values),
	    cmocka_unit_test(refuses_before_the_first_image),
	    cmocka_unit_test(tells_the_columns_that_nothing_takes),
	    cmocka_unit_test(names_the_line_of_a_bad_value),
	    cmocka_unit_test(keeps_names_inside_their_directory),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
