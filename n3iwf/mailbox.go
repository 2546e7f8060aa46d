// SPDX-License-Identifier: Apache-2.0

package n3iwf

import "sync"

// mailbox carries what others want an owner to do. Two kinds of senders use it: those that must be heard (post; they are bounded by a
// window, a queue or an association of their own) and those that anybody on the network can make send (offer, which refuses when
// limit tasks wait already).
type mailbox struct {
	mu     sync.Mutex
	tasks  []func()
	limit  int
	closed bool
	wake   chan struct{}
}

func newMailbox(limit int) *mailbox { return &mailbox{limit: limit, wake: make(chan struct{}, 1)} }

// post adds a task. It tells false only when the mailbox is closed.
func (m *mailbox) post(task func()) bool { return m.add(task, false) }

// offer adds a task unless the mailbox is full or closed.
func (m *mailbox) offer(task func()) bool { return m.add(task, true) }

func (m *mailbox) add(task func(), bounded bool) bool {
	m.mu.Lock()
	if m.closed || bounded && len(m.tasks) >= m.limit {
		m.mu.Unlock()
		return false
	}
	m.tasks = append(m.tasks, task)
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return true
}

// take gives all waiting tasks and takes spare, emptied, for the next ones.
func (m *mailbox) take(spare []func()) []func() {
	clear(spare)
	m.mu.Lock()
	tasks := m.tasks
	m.tasks = spare[:0]
	m.mu.Unlock()
	return tasks
}

func (m *mailbox) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
}
