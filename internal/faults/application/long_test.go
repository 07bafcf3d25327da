//go:build faults

package application

import "time"

func init() { rounds, overloadTime = 200, 30*time.Second }
