// SPDX-License-Identifier: Apache-2.0

package nas

// AllMessages returns an empty value of every message.
func AllMessages() []Message {
	var list []Message
	for _, m := range allMessages {
		list = append(list, makers[m.Type()]())
	}
	return list
}
