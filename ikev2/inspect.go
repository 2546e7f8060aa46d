// SPDX-License-Identifier: Apache-2.0

package ikev2

import "github.com/open-n3iwf/n3iwf/ikev2/suite"

// Suite is the algorithms of the present IKE SA; its zero value before IKE_SA_INIT has ended.
func (s *Session) Suite() suite.IKE { return s.sa.suite }
