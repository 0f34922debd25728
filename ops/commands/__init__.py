"""The commands of `jedel`, one concern a module. Heavy imports stand inside functions: `jedel --help` stays quick."""
