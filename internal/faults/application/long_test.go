//go:build faults

package application

import "time"

func init() { rounds, overloadTime, faultTime = 200, 30*time.Second, time.Minute }
