/*
 * The directories of a run's units: RUN/units/NAME, each there with all of its
 * files or not at all. What is being written lies in .NAME.new; where a unit
 * is made once more after a crash, what was there is .NAME.old until the new
 * one has its place.
 */
#ifndef MM_PRODUCE_FILES_H
#define MM_PRODUCE_FILES_H

#include "factory/unit.h"

struct mm_unit_files {
	int run;   /* the run's directory; locked */
	int units; /* the one in it */
};

/* Makes the run's directory where it is not there, for its owner alone, takes
 * the lock (MM_E_BUSY: another one has it). MM_E_FILE. */
enum mm_error
mm_unit_files_open(const char *run, struct mm_unit_files *out) mm_must_use;
/* Without a journal a run's directory is empty, or nobody's; what a run that
 * made nothing may leave does not count. MM_E_STATE. */
enum mm_error mm_unit_files_empty(
    const struct mm_unit_files *files, const char *run) mm_must_use;
/* The directory of units, made where it is not there. */
enum mm_error mm_unit_files_units(struct mm_unit_files *files) mm_must_use;
/* Whether a unit's directory is there. */
bool mm_unit_files_there(const struct mm_unit_files *files, const char *name);
/* Removes what an earlier run was writing, and brings back what it was about
 * to replace: .NAME.new and .NAME.old. Other hidden things are left alone. */
enum mm_error
mm_unit_files_sweep(const struct mm_unit_files *files) mm_must_use;
void mm_unit_files_clear(struct mm_unit_files *files);

/* Writes .NAME.new. MM_E_FILE, MM_E_DISK_FULL. */
enum mm_error mm_unit_files_write(const struct mm_unit_files *files,
    const char *name, const struct mm_unit_file *all, size_t count) mm_must_use;
/* All that was written is on the disk. */
enum mm_error mm_unit_files_sync(const struct mm_unit_files *files) mm_must_use;
/* Gives it its name; a hook.log that was there goes on. */
enum mm_error mm_unit_files_place(
    const struct mm_unit_files *files, const char *name) mm_must_use;
/* The names, too, are on the disk. */
enum mm_error
mm_unit_files_placed(const struct mm_unit_files *files) mm_must_use;
/* What has this name, a directory with all that is in it; no link is followed.
 * Nothing of that name is no error. */
enum mm_error mm_unit_files_remove(int at, const char *name) mm_must_use;
/* Opens a file in a unit's directory, where a hook may have put anything under
 * any name: MM_E_NOT_FOUND where it is not a file. */
enum mm_error
mm_unit_file_read(int directory, const char *name, int *out) mm_must_use;
/* The directory, for a hook. */
enum mm_error mm_unit_files_enter(
    const struct mm_unit_files *files, const char *name, int *out) mm_must_use;

/* Whether there is room for so many more bytes. MM_E_DISK_FULL. */
enum mm_error mm_unit_files_room(
    const struct mm_unit_files *files, uint64_t bytes) mm_must_use;

#endif
