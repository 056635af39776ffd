/* Intrusive doubly linked lists: a member is on exactly one list or on none. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct list {
	struct list *next; /* of a head: the first member; itself when empty */
	struct list *prev;
};

/* The object that holds `member`. */
#define LIST_ENTRY(pointer, type, member) \
	((type *)(void *)((uint8_t *)(pointer)-offsetof(type, member)))

/* Walks the members; `cursor` may be removed inside the loop. */
/* NOLINTBEGIN(bugprone-macro-parentheses): a name that is declared can't stand in parentheses */
#define LIST_EACH(head, cursor) \
	for (struct list *cursor = (head)->next, *cursor##_next = cursor->next; cursor != (head); \
	     cursor = cursor##_next, cursor##_next = cursor->next)
/* NOLINTEND(bugprone-macro-parentheses) */

/* Makes an empty head, or a member that is on no list. */
static inline void list_init(struct list *list)
{
	list->next = list;
	list->prev = list;
}

static inline bool list_is_empty(const struct list *head)
{
	return head->next == head;
}

static inline void list_add_tail(struct list *head, struct list *member)
{
	member->prev = head->prev;
	member->next = head;
	head->prev->next = member;
	head->prev = member;
}

/* Takes the member off its list; harmless when it is on none. */
static inline void list_remove(struct list *member)
{
	member->prev->next = member->next;
	member->next->prev = member->prev;
	list_init(member);
}

/* The first member, off the list, or NULL. */
static inline struct list *list_pop(struct list *head)
{
	if (list_is_empty(head)) {
		return NULL;
	}
	struct list *first = head->next;
	list_remove(first);
	return first;
}
