"""ProxMO in verl: environments as agent loops, a row per turn, credit for every row.

verl imports `plugin` by itself (entry-point group `verl.plugins`) in every process, Ray
workers included. What the other modules hold:

`settings`    what a user sets on verl's command line under `proxmo.`
`agent_loop`  plays an episode of a registered environment: a list of rows
`columns`     what a row carries for credit, and rows back to `proxmo.credit.Steps`
`trainer`     the trainer mode `proxmo_sync`, and the estimator `proxmo`
`data`        the parquet file of tasks that verl's data loader wants
"""
