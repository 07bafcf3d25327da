//go:build mutant && mutant_task_backwards

package mutant

// Active is the breakage that is built in.
const Active = TaskBackwards
