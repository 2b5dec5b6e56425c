;; A plugin of the contract 0.2.0 with one step type, `golden`, whose result says the version.
(module
  (memory (export "memory") 1)
  (data (i32.const 16) "golden")
  (data (i32.const 32) "Says which contract it was made for")
  (data (i32.const 80) "{\"type\":\"object\"}")
  (data (i32.const 112) "{\"version\":\"0.2.0\"}")

  ;; describe: a list at 256 with one step type: name, summary, params schema, result schema, no accounting, no templates.
  (data (i32.const 240) "\00\01\00\00\01\00\00\00")
  (data (i32.const 256) "\10\00\00\00\06\00\00\00" "\20\00\00\00\23\00\00\00" "\50\00\00\00\11\00\00\00" "\50\00\00\00\11\00\00\00")
  ;; What follows is 0: no accounting, and an empty list of templates.

  ;; run: ok, with a result, complete, and no notes.
  (data (i32.const 384) "\00\00\00\00" "\70\00\00\00\13\00\00\00" "\00\00\00\00" "\00\00\00\00\00\00\00\00")

  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func (export "playbook:plugin/step@0.2.0#describe") (result i32) (i32.const 240))
  (func (export "playbook:plugin/step@0.2.0#render-template") (param i32 i32 i32 i32 i32 i32) (result i32) unreachable)
  (func (export "playbook:plugin/step@0.2.0#check") (param i32 i32 i32 i32) (result i32) unreachable)
  (func (export "playbook:plugin/step@0.2.0#run") (param i32 i32 i32 i32) (result i32) (i32.const 384))
)
